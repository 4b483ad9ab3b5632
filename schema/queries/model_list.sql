-- Used by: model_store_list, model_store_get (with a name).
SELECT m.name, m.created_ms, coalesce(m.default_version, 0),
       (SELECT count(*) FROM versions v WHERE v.model_id = m.id),
       (SELECT coalesce(sum(b.n_rows), 0) FROM batches b WHERE b.model_id = m.id)
FROM models m
WHERE m.deleted = 0 AND (:name IS NULL OR m.name = :name)
ORDER BY m.name;
