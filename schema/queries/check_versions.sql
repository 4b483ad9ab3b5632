-- Used by: check_run.
SELECT version, digest, n_bytes, damage FROM versions WHERE model_id = :model ORDER BY version;
