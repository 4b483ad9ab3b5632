-- Used by: data_store_append.
INSERT INTO batch_chunks (batch_id, seq, n_rows, sha256, bytes)
VALUES (:batch, :seq, :n_rows, :sha256, :bytes);
