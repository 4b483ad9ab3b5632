-- Used by: model_store_put: is this content there already?.
SELECT version FROM versions WHERE model_id = :model AND digest = :digest AND damage IS NULL
ORDER BY version DESC LIMIT 1;
