-- Used by: space_store_delete; model_store_delete.
DELETE FROM spaces WHERE model_id = :model;
