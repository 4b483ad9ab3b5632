-- Used by: row_index: entries may be dropped while runs are joined.
UPDATE row_runs SET n_entries = :n_entries WHERE id = :run;
