-- Used by: version_rows_put. Content that exists already keeps what was first known of it.
INSERT INTO version_rows (model_id, version, n_trained, n_kept, n_bytes, unsure_to)
VALUES (:model, :version, :n_trained, :n_kept, :n_bytes, :unsure_to)
ON CONFLICT (model_id, version) DO NOTHING;
