-- Used by: policy_store_get.
SELECT p.document, p.changed_ms FROM policies p JOIN models m ON m.id = p.model_id
WHERE m.name = :name AND m.deleted = 0;
