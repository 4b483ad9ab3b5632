-- Used by: token_store_list.
SELECT id, role, salt, digest, models, max_rate, max_rows, max_bytes, max_concurrent,
       max_queue_share, created_ms, expires_ms, revoked_ms
FROM tokens ORDER BY created_ms, id;
