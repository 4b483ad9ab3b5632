-- Used by: job_store_recover: too many attempts without progress.
UPDATE jobs SET state = 3, finished_ms = :now, message = :message
WHERE state = 1 AND stalled >= :attempts;
