-- Used by: data_store_summary, data_store_append.
SELECT coalesce(sum(n_rows), 0), count(*), coalesce(min(n_inputs), 0), coalesce(min(n_outputs), 0),
       coalesce(min(created_ms), 0), coalesce(max(created_ms), 0)
FROM batches WHERE model_id = :model;
