-- Used by: model_store_promotions, newest first.
SELECT id, coalesce(version, 0), coalesce(previous, 0), origin, coalesce(job, 0), at_ms, rows_used
FROM promotions WHERE model_id = :model ORDER BY id DESC LIMIT :limit;
