-- Used by: check_run, from schema 3 on: aliases of versions that do not exist.
SELECT name, version FROM aliases a
WHERE model_id = :model
  AND NOT EXISTS (SELECT 1 FROM versions v WHERE v.model_id = a.model_id AND v.version = a.version)
ORDER BY name;
