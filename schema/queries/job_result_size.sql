-- Used by: job_store_result.
SELECT coalesce(sum(length(bytes)), 0), count(*) FROM job_results
WHERE job_id = :id AND part = :part;
