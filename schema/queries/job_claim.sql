-- Used by: job_store_claim: of the queued jobs of a lane that are due and whose model has no
-- running job of the lane, the one of highest priority that has waited longest. No start is more than :max_wait away, so one
-- that is was noted before the clock was set back.
UPDATE jobs SET state = 1, attempts = attempts + 1, stalled = stalled + 1, started_ms = :now
WHERE id = (SELECT q.id FROM jobs q
            WHERE q.state = 0 AND (q.kind > 0) = :lane
              AND (q.not_before_ms <= :now OR q.not_before_ms > :now + :max_wait)
              AND NOT EXISTS (SELECT 1 FROM jobs r WHERE r.model_id = q.model_id AND r.state = 1
                                AND (r.kind > 0) = :lane)
            ORDER BY q.priority DESC, q.id LIMIT 1)
RETURNING id;
