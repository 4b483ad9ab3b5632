-- Used by: job_store_add.
INSERT INTO jobs (model_id, request, created_ms) VALUES (:model, :request, :now) RETURNING id;
