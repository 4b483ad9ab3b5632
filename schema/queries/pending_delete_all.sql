-- Used by: model_store_delete.
DELETE FROM pending_points WHERE model_id = :model;
