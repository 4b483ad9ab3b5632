-- Used by: job_store_add.
INSERT INTO jobs (model_id, request, priority, origin, created_ms)
VALUES (:model, :request, :priority, :origin, :now)
RETURNING id;
