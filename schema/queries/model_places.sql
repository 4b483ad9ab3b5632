-- Used by: model_get_places.
SELECT coalesce(default_version, 0), coalesce(previous_version, 0), keep_versions
FROM models WHERE id = :model;
