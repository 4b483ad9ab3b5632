-- Used by: job_store_cancel.
UPDATE jobs SET cancel_requested = 1 WHERE id = :id AND state = 1;
