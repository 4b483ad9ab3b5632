-- Used by: row_index.
DELETE FROM row_runs WHERE id = :run;
