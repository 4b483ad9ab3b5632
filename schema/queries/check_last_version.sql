-- Used by: check_run.
SELECT coalesce(max(version), 0) FROM versions WHERE model_id = :model;
