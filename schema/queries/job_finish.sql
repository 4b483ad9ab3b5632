-- Used by: job_store_finish, job_store_publish. The warnings of the version have their place in its
-- scores, whose other members stay as they are.
UPDATE jobs SET state = :state, version = :version, message = :message, promoted = :promoted,
                gate = :gate,
                scores = CASE WHEN :warnings IS NULL THEN :scores
                              ELSE json_set(coalesce(nullif(:scores, 'null'), '{}'),
                                            '$.warnings', json(:warnings)) END,
                finished_ms = :now
WHERE id = :id AND state = 1;
