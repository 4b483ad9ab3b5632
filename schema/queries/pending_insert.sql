-- Used by: pending_store_add.
INSERT INTO pending_points (model_id, n_inputs, inputs, origin, created_ms, expires_ms)
VALUES (:model, :n_inputs, :inputs, :origin, :now, :expires) RETURNING id;
