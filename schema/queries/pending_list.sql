-- Used by: pending_store_list: the newest points that have not expired.
SELECT id, inputs, expires_ms FROM pending_points
WHERE model_id = :model AND expires_ms > :now AND n_inputs = :n_inputs
ORDER BY id DESC LIMIT :limit;
