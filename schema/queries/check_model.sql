-- Used by: check_run: one model after the other.
SELECT id, name, deleted, coalesce(default_version, 0), next_version
FROM models WHERE id > :after ORDER BY id LIMIT 1;
