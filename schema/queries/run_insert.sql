-- Used by: row_index.
INSERT INTO row_runs (model_id, n_entries, n_parts) VALUES (:model, :n_entries, :n_parts)
RETURNING id;
