-- Used by: data_stats_put.
INSERT INTO data_stats (model_id, generation, n_rows, n_batches, n_inputs, n_outputs, columns)
VALUES (:model, :generation, :n_rows, :n_batches, :n_inputs, :n_outputs, :columns)
ON CONFLICT (model_id) DO UPDATE SET
    generation = :generation, n_rows = :n_rows, n_batches = :n_batches, n_inputs = :n_inputs,
    n_outputs = :n_outputs, columns = :columns;
