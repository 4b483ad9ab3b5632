-- Used by: job_store_recover: jobs that have ended.
DELETE FROM job_checkpoints WHERE job_id IN (SELECT id FROM jobs WHERE state >= 2);
