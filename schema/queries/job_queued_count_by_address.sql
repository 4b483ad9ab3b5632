-- Used by: job_store_add.
SELECT count(*) FROM jobs WHERE model_id = :model AND state = 0 AND address = :whose;
