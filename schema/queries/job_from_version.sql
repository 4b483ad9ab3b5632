-- Used by: model_store_delete_version: a version that a job starts from stays.
SELECT id FROM jobs WHERE model_id = :model AND state IN (0, 1) AND base_version = :version
ORDER BY id LIMIT 1;
