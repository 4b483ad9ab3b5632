-- Used by: check_run, from schema 3 on.
SELECT c.job_id, c.task, c.seq, c.sha256, c.bytes, coalesce(j.state, -1)
FROM job_checkpoints c LEFT JOIN jobs j ON j.id = c.job_id
ORDER BY c.job_id, c.task, c.seq;
