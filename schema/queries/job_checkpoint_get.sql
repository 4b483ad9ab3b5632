-- Used by: job_store_load_checkpoint.
SELECT sha256, bytes FROM job_checkpoints WHERE job_id = :id AND task = :task ORDER BY seq;
