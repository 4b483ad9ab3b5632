-- Used by: check_run, from schema 3 on: a previous version that does not exist.
SELECT previous_version FROM models m
WHERE id = :model AND previous_version IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM versions v
                  WHERE v.model_id = m.id AND v.version = m.previous_version);
