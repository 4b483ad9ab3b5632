-- Used by: model_put: the number of a new version.
UPDATE models SET next_version = next_version + 1 WHERE id = :model RETURNING next_version - 1;
