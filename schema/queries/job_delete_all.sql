-- Used by: model_store_delete.
DELETE FROM jobs WHERE model_id = :model;
