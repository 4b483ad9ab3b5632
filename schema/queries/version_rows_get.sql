-- Used by: version_rows_store_find, check_run.
SELECT n_trained, n_kept, n_bytes, unsure_to FROM version_rows
WHERE model_id = :model AND version = :version;
