-- Used by: version_rows_store_last_before: the last batch before the first one that arrived after
-- the version was created.
SELECT coalesce(max(b.id), 0)
FROM models m
JOIN versions v ON v.model_id = m.id AND v.version = :version
JOIN batches b ON b.model_id = m.id
WHERE m.name = :name AND m.deleted = 0
  AND b.id < coalesce((SELECT e.id FROM batches e
                       WHERE e.model_id = m.id AND e.created_ms > v.created_ms
                       ORDER BY e.id LIMIT 1), 9223372036854775807);
