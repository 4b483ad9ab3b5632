-- Used by: token_store_list.
SELECT id, role, salt, digest, models, max_rate, created_ms, expires_ms, revoked_ms
FROM tokens ORDER BY created_ms, id;
