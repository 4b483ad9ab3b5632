-- Used by: job_store_result.
SELECT sha256, bytes FROM job_results WHERE job_id = :id AND part = :part ORDER BY seq;
