-- Used by: model_store_set_keep.
UPDATE models SET keep_versions = :keep WHERE id = :model;
