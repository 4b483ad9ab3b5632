-- Used by: model_resolve, alias_store_set.
SELECT version FROM aliases WHERE model_id = :model AND name = :name;
