-- Used by: job_store_set_curves. A stored checkpoint is progress.
UPDATE jobs SET curves = :curves, stalled = CASE WHEN :progress THEN 0 ELSE stalled END
WHERE id = :id;
