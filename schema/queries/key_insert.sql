-- Used by: data_store_append.
INSERT INTO data_keys (model_id, key, payload, answer, created_ms)
VALUES (:model, :key, :payload, :answer, :now);
