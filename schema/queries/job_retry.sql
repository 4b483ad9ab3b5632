-- Used by: job_store_retry: after a transient fault.
UPDATE jobs SET state = 0, faults = faults + 1, not_before_ms = :at, message = :message,
                stalled = stalled - 1, started_ms = 0
WHERE id = :id AND state = 1 AND cancel_requested = 0;
