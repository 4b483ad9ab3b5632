-- Used by: every function that is given a model's name.
SELECT id, created_ms, default_version, next_version FROM models WHERE name = :name AND deleted = 0;
