-- Used by: version_rows_put.
INSERT INTO version_row_chunks (model_id, version, seq, sha256, bytes)
VALUES (:model, :version, :seq, :sha256, :bytes);
