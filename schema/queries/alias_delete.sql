-- Used by: alias_store_delete.
DELETE FROM aliases WHERE model_id = :model AND name = :name;
