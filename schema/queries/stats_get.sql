-- Used by: data_stats_get.
SELECT generation, n_rows, n_batches, n_inputs, n_outputs, columns
FROM data_stats WHERE model_id = :model;
