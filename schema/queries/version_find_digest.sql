-- Used by: model_put: does this content exist already?
SELECT version FROM versions WHERE model_id = :model AND digest = :digest AND damage IS NULL
ORDER BY version DESC LIMIT 1;
