-- Used by: check_run.
SELECT n_rows FROM batches WHERE id = :batch;
