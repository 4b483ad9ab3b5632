-- Used by: data_store_append.
INSERT INTO batches (model_id, n_rows, n_inputs, n_outputs, created_ms)
VALUES (:model, :n_rows, :n_inputs, :n_outputs, :now) RETURNING id;
