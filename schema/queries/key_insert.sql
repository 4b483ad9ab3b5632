-- Used by: data_store_append. What is there is over and waits for its sweep: it was not found.
INSERT INTO data_keys (model_id, key, payload, answer, created_ms)
VALUES (:model, :key, :payload, :answer, :now)
ON CONFLICT (model_id, key) DO UPDATE SET
    payload = :payload, answer = :answer, created_ms = :now;
