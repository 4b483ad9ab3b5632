-- Used by: token_store_add. Nothing is added when the id is there.
INSERT INTO tokens (id, role, salt, digest, models, max_rate, max_rows, max_bytes,
                    max_concurrent, max_queue_share, created_ms, expires_ms, change)
SELECT :id, :role, :salt, :digest, :models, :max_rate, :max_rows, :max_bytes,
       :max_concurrent, :max_queue_share, :created, :expires,
       (SELECT coalesce(max(change), 0) + 1 FROM tokens)
WHERE NOT EXISTS (SELECT 1 FROM tokens WHERE id = :id);
