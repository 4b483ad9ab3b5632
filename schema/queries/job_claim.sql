-- Used by: job_store_claim: of the queued jobs whose time has come and whose model has none running,
-- the one of highest priority that has waited longest. Nobody waits longer than :most, so a time
-- further away is one of before the clock was set back.
UPDATE jobs SET state = 1, attempts = attempts + 1, stalled = stalled + 1, started_ms = :now
WHERE id = (SELECT q.id FROM jobs q
            WHERE q.state = 0 AND (q.not_before_ms <= :now OR q.not_before_ms > :now + :most)
              AND NOT EXISTS (SELECT 1 FROM jobs r WHERE r.model_id = q.model_id AND r.state = 1)
            ORDER BY q.priority DESC, q.id LIMIT 1)
RETURNING id;
