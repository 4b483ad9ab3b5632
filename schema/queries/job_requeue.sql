-- Used by: job_store_requeue: the server stops.
UPDATE jobs SET state = 0, attempts = attempts - 1, stalled = stalled - 1, started_ms = 0
WHERE id = :id AND state = 1;
