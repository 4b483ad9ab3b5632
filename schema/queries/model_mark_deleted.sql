-- Used by: model_store_delete.
UPDATE models SET deleted = 1, default_version = NULL WHERE id = :model;
