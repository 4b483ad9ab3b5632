-- Used by: model_change_default.
UPDATE models SET default_version = nullif(:version, 0), previous_version = nullif(:previous, 0)
WHERE id = :model;
