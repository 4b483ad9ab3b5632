-- Used by: job_store_details.
SELECT request, gate, scores FROM jobs WHERE id = :id;
