-- Used by: data_key_find.
SELECT payload, answer FROM data_keys
WHERE model_id = :model AND key = :key AND created_ms > :oldest;
