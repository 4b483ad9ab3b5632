-- Used by: data_store_delete_batch.
DELETE FROM batches WHERE id = :batch AND model_id = :model RETURNING n_rows;
