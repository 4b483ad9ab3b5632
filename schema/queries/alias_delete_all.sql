-- Used by: model_store_delete.
DELETE FROM aliases WHERE model_id = :model;
