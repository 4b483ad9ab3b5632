-- Used by: data_store_append.
INSERT INTO batches (model_id, n_rows, n_inputs, n_outputs, created_ms, format, source, provenance,
                     digest, n_duplicates, n_outliers)
VALUES (:model, :n_rows, :n_inputs, :n_outputs, :now, :format, :source, :provenance,
        :digest, :n_duplicates, :n_outliers)
RETURNING id;
