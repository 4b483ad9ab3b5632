-- Used by: the end of a job, and an attempt that starts from other rows.
DELETE FROM job_checkpoints WHERE job_id = :id;
