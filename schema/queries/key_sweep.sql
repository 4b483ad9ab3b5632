-- Used by: data_key_sweep: the oldest of the keys that are too old, about a hundred at a time.
DELETE FROM data_keys WHERE created_ms <= (
    SELECT max(created_ms) FROM (SELECT created_ms FROM data_keys WHERE created_ms <= :oldest
                                 ORDER BY created_ms LIMIT 100));
