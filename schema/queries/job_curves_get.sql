-- Used by: job_store_curves.
SELECT curves FROM jobs WHERE id = :id;
