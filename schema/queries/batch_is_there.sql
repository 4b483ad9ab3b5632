-- Used by: row_index_mark: an entry may outlive its batch.
SELECT 1 FROM batches WHERE id = :batch;
