-- Used by: every reader of rows: the chunks after a place, in order of arrival.
SELECT b.id, c.seq, b.n_inputs, b.n_outputs, c.n_rows, c.sha256, c.bytes
FROM batches b JOIN batch_chunks c ON c.batch_id = b.id
WHERE b.model_id = :model AND b.id >= :batch AND b.id <= :last AND (b.id > :batch OR c.seq > :seq)
ORDER BY b.id, c.seq;
