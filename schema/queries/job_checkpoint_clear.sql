-- Used by: the end of a job, or a beginning from other rows.
DELETE FROM job_checkpoints WHERE job_id = :id;
