-- Used by: token_store_revoke.
UPDATE tokens SET revoked_ms = :now, change = (SELECT max(change) + 1 FROM tokens)
WHERE id = :id AND revoked_ms = 0;
