-- Used by: check_run.
SELECT n_rows, n_inputs, n_outputs FROM batches WHERE id = :batch;
