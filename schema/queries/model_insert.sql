-- Used by: model_find_or_add: the first version, or the first rows, of a model.
INSERT INTO models (name, created_ms) VALUES (:name, :now)
ON CONFLICT (name) DO UPDATE SET deleted = 0, created_ms = :now, default_version = NULL
WHERE deleted = 1;
