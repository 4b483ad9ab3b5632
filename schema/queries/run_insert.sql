-- Used by: row_run_writer_open.
INSERT INTO row_runs (model_id, n_entries, n_parts) VALUES (:model, :n_entries, :n_parts)
RETURNING id;
