-- Used by: row_run_open_part.
SELECT bytes FROM row_run_parts WHERE run_id = :run AND part = :part;
