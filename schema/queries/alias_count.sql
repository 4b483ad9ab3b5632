-- Used by: alias_store_set: may the model have one more?
SELECT count(*) FROM aliases WHERE model_id = :model;
