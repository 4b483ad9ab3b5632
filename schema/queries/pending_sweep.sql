-- Used by: pending_store_add: expired points, some at a time.
DELETE FROM pending_points WHERE id IN (
    SELECT id FROM pending_points WHERE expires_ms <= :now ORDER BY expires_ms LIMIT 1000);
