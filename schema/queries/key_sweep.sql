-- Used by: data_store_append.
DELETE FROM data_keys WHERE created_ms <= :oldest;
