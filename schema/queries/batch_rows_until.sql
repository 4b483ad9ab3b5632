-- Used by: data_store_rows_until.
SELECT coalesce(sum(b.n_rows), 0)
FROM batches b JOIN models m ON m.id = b.model_id
WHERE m.name = :name AND m.deleted = 0 AND b.id <= :last;
