-- Used by: row_index.
SELECT bytes FROM row_run_parts WHERE run_id = :run AND part = :part;
