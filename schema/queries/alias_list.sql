-- Used by: model_store_view.
SELECT a.name, a.version, a.changed_ms
FROM aliases a JOIN models m ON m.id = a.model_id
WHERE m.deleted = 0 AND m.name = :name
ORDER BY a.name;
