-- Used by: token_store_change.
SELECT coalesce(max(change), 0) FROM tokens;
