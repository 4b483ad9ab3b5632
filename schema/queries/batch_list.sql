-- Used by: data_store_batches.
SELECT id, n_rows, n_inputs, n_outputs, created_ms, format, source, provenance, digest,
       n_duplicates, n_outliers
FROM batches WHERE model_id = :model AND id > :after ORDER BY id LIMIT :limit;
