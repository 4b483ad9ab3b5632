-- Used by: model_store_view: what model_list has of all models, found by the index of names.
SELECT m.name, m.created_ms, coalesce(m.default_version, 0),
       (SELECT count(*) FROM versions v WHERE v.model_id = m.id),
       coalesce((SELECT s.n_rows FROM data_stats s WHERE s.model_id = m.id), 0),
       coalesce(m.previous_version, 0), m.keep_versions
FROM models m
WHERE m.deleted = 0 AND m.name = :name;
