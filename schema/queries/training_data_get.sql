-- Used by: job_store_training_data.
SELECT t.n_rows, t.n_batches, t.last_batch, t.fingerprint, t.base_version
FROM training_data t JOIN models m ON m.id = t.model_id
WHERE m.name = :name AND m.deleted = 0 AND t.version = :version;
