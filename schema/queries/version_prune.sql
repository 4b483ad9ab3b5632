-- Used by: model_prune. The newest :keep versions stay, and older ones that something refers to.
DELETE FROM versions
WHERE model_id = :model
  AND version < (SELECT n.version FROM versions n WHERE n.model_id = :model
                 ORDER BY n.version DESC LIMIT 1 OFFSET :keep - 1)
  AND NOT EXISTS (SELECT 1 FROM models m
                  WHERE m.id = versions.model_id
                    AND (m.default_version = versions.version
                         OR m.previous_version = versions.version))
  AND NOT EXISTS (SELECT 1 FROM aliases a
                  WHERE a.model_id = versions.model_id AND a.version = versions.version)
  AND NOT EXISTS (SELECT 1 FROM jobs j
                  WHERE j.model_id = versions.model_id AND j.state IN (0, 1)
                    AND j.base_version = versions.version);
