-- Used by: job_store_recover: out of attempts.
UPDATE jobs SET state = 3, finished_ms = :now, message = :message
WHERE state = 1 AND attempts >= :attempts;
