-- Used by: row_run_writer_close: entries may have been dropped while runs were merged.
UPDATE row_runs SET n_entries = :n_entries WHERE id = :run;
