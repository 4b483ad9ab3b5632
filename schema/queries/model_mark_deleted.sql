-- Used by: model_store_delete.
UPDATE models SET deleted = 1, default_version = NULL, previous_version = NULL, keep_versions = 0
WHERE id = :model;
