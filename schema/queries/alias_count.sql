-- Used by: alias_store_set: may there be one more?
SELECT count(*) FROM aliases WHERE model_id = :model;
