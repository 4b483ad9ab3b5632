-- Used by: model_store_delete_version: a version that has an alias stays.
SELECT name FROM aliases WHERE model_id = :model AND version = :version ORDER BY name LIMIT 1;
