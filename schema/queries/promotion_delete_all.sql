-- Used by: model_store_delete.
DELETE FROM promotions WHERE model_id = :model;
