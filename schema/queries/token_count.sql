-- Used by: token_store_add.
SELECT count(*) FROM tokens;
