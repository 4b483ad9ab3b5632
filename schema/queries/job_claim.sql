-- Used by: job_store_claim: the oldest queued job whose model has none running.
UPDATE jobs SET state = 1, attempts = attempts + 1, started_ms = :now
WHERE id = (SELECT q.id FROM jobs q
            WHERE q.state = 0
              AND NOT EXISTS (SELECT 1 FROM jobs r WHERE r.model_id = q.model_id AND r.state = 1)
            ORDER BY q.id LIMIT 1)
RETURNING id;
