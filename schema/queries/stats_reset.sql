-- Used by: data_store_delete, model_store_delete: no rows are left.
UPDATE data_stats SET generation = generation + 1, n_rows = 0, n_batches = 0, n_inputs = 0,
                      n_outputs = 0, columns = x''
WHERE model_id = :model;
