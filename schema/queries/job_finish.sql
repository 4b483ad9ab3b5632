-- Used by: job_store_finish, job_store_publish.
UPDATE jobs SET state = :state, version = :version, message = :message, promoted = :promoted,
                gate = :gate, scores = :scores, finished_ms = :now
WHERE id = :id AND state = 1;
