-- Used by: model_store_view.
SELECT m.name, v.version, v.created_ms, v.n_bytes, v.digest,
       coalesce(m.default_version = v.version, 0), v.damage
FROM versions v JOIN models m ON m.id = v.model_id
WHERE m.deleted = 0 AND m.name = :name
ORDER BY v.version;
