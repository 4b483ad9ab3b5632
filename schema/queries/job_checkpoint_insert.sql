-- Used by: job_store_save_checkpoint.
INSERT INTO job_checkpoints (job_id, task, seq, sha256, bytes)
VALUES (:id, :task, :seq, :sha256, :bytes);
