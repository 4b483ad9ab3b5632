-- Used by: check_run: the bytes of all content, for progress.
SELECT coalesce((SELECT sum(n_bytes) FROM versions), 0) +
       coalesce((SELECT sum(8 * n_rows * (n_inputs + n_outputs)) FROM batches), 0);
