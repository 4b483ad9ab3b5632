-- Used by: job_store_recover.
UPDATE jobs SET state = 0, started_ms = 0 WHERE state = 1;
