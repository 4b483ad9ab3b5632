-- Used by: job_store_claim.
SELECT request FROM jobs WHERE id = :id;
