-- Used by: batch_find.
SELECT n_rows, n_inputs, n_outputs FROM batches WHERE model_id = :model AND id = :batch;
