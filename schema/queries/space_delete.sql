-- Used by: space_change_delete; model_store_delete.
DELETE FROM spaces WHERE model_id = :model;
