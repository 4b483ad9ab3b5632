-- Used by: job_store_publish. Content that exists already keeps the rows that it was first
-- trained on.
INSERT INTO training_data (model_id, version, n_rows, n_batches, last_batch, fingerprint, job,
                           base_version)
SELECT model_id, :version, data_rows, data_batches, data_last, data_fingerprint, id, base_version
FROM jobs WHERE id = :job AND data_fingerprint <> ''
ON CONFLICT (model_id, version) DO NOTHING;
