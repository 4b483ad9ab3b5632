-- Used by: job_store_finish, job_store_publish, job_store_cancel: the oldest ended jobs of the
-- model, beyond :keep.
DELETE FROM jobs
WHERE model_id = (SELECT model_id FROM jobs WHERE id = :id) AND state >= 2
  AND id <> :id AND id <= (SELECT j.id FROM jobs j
             WHERE j.model_id = (SELECT model_id FROM jobs WHERE id = :id) AND j.state >= 2
             ORDER BY j.id DESC LIMIT 1 OFFSET :keep);
