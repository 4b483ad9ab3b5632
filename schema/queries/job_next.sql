-- Used by: job_store_next: when the next queued job may begin.
SELECT min(not_before_ms) FROM jobs WHERE state = 0;
