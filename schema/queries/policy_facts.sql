-- Used by: policy_store_facts. The last training tells which rows are new: those after the rows that it
-- took, or, if it took none, those that arrived after it was created. That holds for a cancelled
-- job too: whoever stops a job does not want the next one at once. The default version knows the
-- rows that trained it or, if it was registered, those that were stored before it.
SELECT m.id, coalesce(m.default_version, 0),
       (SELECT count(*) FROM jobs a WHERE a.model_id = m.id AND a.state IN (0, 1) AND a.kind = 0),
       coalesce(j.created_ms, 0), coalesce(j.finished_ms, 0), coalesce(j.state, -1),
       coalesce(nullif(j.data_last, 0),
                (SELECT b.id FROM batches b WHERE b.model_id = m.id AND b.created_ms <= j.created_ms
                 ORDER BY b.id DESC LIMIT 1),
                t.last_batch, 0),
       coalesce(t.last_batch,
                (SELECT b.id FROM batches b WHERE b.model_id = m.id AND b.created_ms <= v.created_ms
                 ORDER BY b.id DESC LIMIT 1),
                0),
       coalesce((SELECT s.n_rows FROM data_stats s WHERE s.model_id = m.id), 0),
       coalesce(j.data_rows, 0)
FROM models m
     LEFT JOIN jobs j ON j.id = (SELECT max(l.id) FROM jobs l WHERE l.model_id = m.id AND l.kind = 0)
     LEFT JOIN versions v ON v.model_id = m.id AND v.version = m.default_version
     LEFT JOIN training_data t ON t.model_id = m.id AND t.version = m.default_version
WHERE m.name = :name AND m.deleted = 0;
