-- Used by: model_find.
SELECT id, created_ms, default_version, next_version FROM models WHERE name = :name AND deleted = 0;
