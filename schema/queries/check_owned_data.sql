-- Used by: check_run, from schema 2 on: runs of the index of rows and keys that a deleted model
-- must not have any more.
SELECT (SELECT count(*) FROM row_runs WHERE model_id = :model),
       (SELECT count(*) FROM data_keys WHERE model_id = :model);
