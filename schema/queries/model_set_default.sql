-- Used by: model_store_set_default, model_store_put.
UPDATE models SET default_version = :version WHERE id = :model;
