-- Used by: job_store_next: when the next queued job of a lane may start whose model has no
-- running job of the lane.
SELECT min(q.not_before_ms) FROM jobs q
WHERE q.state = 0 AND (q.kind > 0) = :lane
  AND NOT EXISTS (SELECT 1 FROM jobs r WHERE r.model_id = q.model_id AND r.state = 1
                    AND (r.kind > 0) = :lane);
