-- Used by: space_write.
INSERT INTO spaces (model_id, document, digest, origin, changed_ms)
VALUES (:model, :document, :digest, :origin, :now)
ON CONFLICT (model_id) DO UPDATE SET document = excluded.document, digest = excluded.digest,
    origin = excluded.origin, changed_ms = excluded.changed_ms;
