-- Used by: alias_store_set.
INSERT INTO aliases (model_id, name, version, changed_ms) VALUES (:model, :name, :version, :now)
ON CONFLICT (model_id, name) DO UPDATE SET version = excluded.version,
                                           changed_ms = excluded.changed_ms;
