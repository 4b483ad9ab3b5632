-- Used by: row_run_writer_put.
INSERT INTO row_run_parts (run_id, part, bytes) VALUES (:run, :part, :bytes);
