-- Used by: row_run_delete.
DELETE FROM row_runs WHERE id = :run;
