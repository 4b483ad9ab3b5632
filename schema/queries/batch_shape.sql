-- Used by: data_store_append: the widths of the rows there are.
SELECT n_inputs, n_outputs FROM batches WHERE model_id = :model ORDER BY id LIMIT 1;
