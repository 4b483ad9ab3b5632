-- Used by: data_store_append, data_store_find_key.
SELECT payload, answer FROM data_keys
WHERE model_id = :model AND key = :key AND created_ms > :oldest;
