-- Used by: job_store_recover: cancellation was requested before the process died.
UPDATE jobs SET state = 4, finished_ms = :now WHERE state = 1 AND cancel_requested = 1;
