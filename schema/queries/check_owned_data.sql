-- Used by: check_run, from schema 2 on: the same of the index of rows and of keys.
SELECT (SELECT count(*) FROM row_runs WHERE model_id = :model),
       (SELECT count(*) FROM data_keys WHERE model_id = :model);
