-- Used by: check_run, from schema 2 on.
SELECT digest FROM batches WHERE id = :batch;
