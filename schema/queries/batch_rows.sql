-- Used by: data_store_read.
SELECT b.n_inputs, b.n_outputs, c.n_rows, c.sha256, c.bytes
FROM batches b JOIN batch_chunks c ON c.batch_id = b.id
WHERE b.model_id = :model
ORDER BY b.id, c.seq;
