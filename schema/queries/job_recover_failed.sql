-- Used by: job_store_recover: out of attempts that got nowhere.
UPDATE jobs SET state = 3, finished_ms = :now, message = :message
WHERE state = 1 AND stalled >= :attempts;
