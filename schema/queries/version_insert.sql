-- Used by: model_put.
INSERT INTO versions (model_id, version, digest, n_bytes, created_ms)
VALUES (:model, :version, :digest, :n_bytes, :now);
