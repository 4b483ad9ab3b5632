-- Used by: model_store_delete.
DELETE FROM data_keys WHERE model_id = :model;
