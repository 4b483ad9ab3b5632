-- Used by: policy_store_put.
INSERT INTO policies (model_id, document, changed_ms) VALUES (:model, :document, :now)
ON CONFLICT (model_id) DO UPDATE SET document = excluded.document, changed_ms = excluded.changed_ms;
