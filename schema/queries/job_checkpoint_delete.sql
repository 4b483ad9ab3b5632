-- Used by: job_store_save_checkpoint: the earlier state of the task.
DELETE FROM job_checkpoints WHERE job_id = :id AND task = :task;
