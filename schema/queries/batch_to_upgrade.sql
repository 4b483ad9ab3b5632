-- Used by: data_upgrade: a model that has batches of an older file.
SELECT model_id FROM batches WHERE digest IS NULL LIMIT 1;
