-- Used by: row_index_*: entries of other batches are dropped when runs are joined.
SELECT id FROM batches WHERE model_id = :model ORDER BY id;
