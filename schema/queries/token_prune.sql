-- Used by: token_store_add: makes room by the token that was revoked first.
DELETE FROM tokens WHERE id = (
    SELECT id FROM tokens WHERE revoked_ms > 0 ORDER BY revoked_ms, change LIMIT 1);
