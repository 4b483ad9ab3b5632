-- Used by: job_store_cancel.
UPDATE jobs SET state = 4, finished_ms = :now, cancel_requested = 1 WHERE id = :id AND state = 0;
