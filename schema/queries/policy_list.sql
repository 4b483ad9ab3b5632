-- Used by: policy_store_list.
SELECT m.name FROM policies p JOIN models m ON m.id = p.model_id
WHERE m.deleted = 0
ORDER BY m.id;
