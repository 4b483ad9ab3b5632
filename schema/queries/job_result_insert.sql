-- Used by: job_store_put_result.
INSERT INTO job_results (job_id, part, seq, sha256, bytes)
VALUES (:id, :part, :seq, :sha256, :bytes);
