-- Used by: check_run, from schema 9 on.
SELECT job_id, part, sha256, bytes FROM job_results ORDER BY job_id, part, seq;
