-- Used by: job_store_set_data.
UPDATE jobs SET data_rows = :n_rows, data_batches = :n_batches, data_last = :last,
                data_fingerprint = :fingerprint, base_version = :base
WHERE id = :id;
