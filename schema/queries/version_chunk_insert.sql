-- Used by: model_put.
INSERT INTO version_chunks (model_id, version, seq, sha256, bytes)
VALUES (:model, :version, :seq, :sha256, :bytes);
