-- Used by: data_store_delete, model_store_delete, data_upgrade.
DELETE FROM row_runs WHERE model_id = :model;
