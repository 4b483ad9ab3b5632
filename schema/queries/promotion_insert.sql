-- Used by: model_change_default.
INSERT INTO promotions (model_id, version, previous, origin, job, at_ms, rows_used)
VALUES (:model, nullif(:version, 0), nullif(:previous, 0), :origin, nullif(:job, 0), :now, :rows_used);
