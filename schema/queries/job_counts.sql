-- Used by: job_store_count: how many jobs are in each state.
SELECT state, count(*) FROM jobs GROUP BY state;
