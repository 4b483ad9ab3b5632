-- Used by: data_upgrade: a model with batches of an older file.
SELECT model_id FROM batches WHERE digest IS NULL LIMIT 1;
