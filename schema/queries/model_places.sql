-- Used by: changes of a default version, prunings.
SELECT coalesce(default_version, 0), coalesce(previous_version, 0), keep_versions
FROM models WHERE id = :model;
