-- Used by: data_store_delete, model_store_delete.
DELETE FROM batches WHERE model_id = :model;
