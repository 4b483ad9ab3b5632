-- Used by: policy_store_delete.
DELETE FROM policies WHERE model_id = :model;
