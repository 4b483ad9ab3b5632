-- Used by: data_store_describe, data_store_read: the fingerprint.
SELECT id, n_rows, digest FROM batches WHERE model_id = :model AND id <= :last ORDER BY id;
