-- Used by: job_store_set_curves, job_store_save_checkpoint. A stored checkpoint is progress, so
-- the attempt is not a stalled one.
UPDATE jobs SET curves = :curves, stalled = CASE WHEN :progress THEN 0 ELSE stalled END
WHERE id = :id;
