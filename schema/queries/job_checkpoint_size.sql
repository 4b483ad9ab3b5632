-- Used by: job_store_load_checkpoint.
SELECT coalesce(sum(length(bytes)), 0), count(*) FROM job_checkpoints
WHERE job_id = :id AND task = :task;
