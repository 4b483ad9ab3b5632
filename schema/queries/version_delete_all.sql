-- Used by: model_store_delete.
DELETE FROM versions WHERE model_id = :model;
