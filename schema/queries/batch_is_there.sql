-- Used by: row_index_mark: a hash may outlive its batch.
SELECT 1 FROM batches WHERE id = :batch;
