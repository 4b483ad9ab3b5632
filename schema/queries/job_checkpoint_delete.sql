-- Used by: job_store_save_checkpoint: the task's former state.
DELETE FROM job_checkpoints WHERE job_id = :id AND task = :task;
