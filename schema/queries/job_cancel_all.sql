-- Used by: job_store_cancel_queued.
UPDATE jobs SET state = 4, finished_ms = :now, cancel_requested = 1
WHERE model_id = :model AND state = 0
RETURNING id;
