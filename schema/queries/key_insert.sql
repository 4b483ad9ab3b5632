-- Used by: data_key_insert. A row of that key is too old to be found and waits to be swept.
INSERT INTO data_keys (model_id, key, payload, answer, created_ms)
VALUES (:model, :key, :payload, :answer, :now)
ON CONFLICT (model_id, key) DO UPDATE SET
    payload = :payload, answer = :answer, created_ms = :now;
