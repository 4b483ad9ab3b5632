-- Used by: row_index.
INSERT INTO row_run_parts (run_id, part, bytes) VALUES (:run, :part, :bytes);
