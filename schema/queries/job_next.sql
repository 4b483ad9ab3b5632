-- Used by: job_store_next: when the next queued job may start whose model has no running job.
SELECT min(q.not_before_ms) FROM jobs q
WHERE q.state = 0
  AND NOT EXISTS (SELECT 1 FROM jobs r WHERE r.model_id = q.model_id AND r.state = 1);
