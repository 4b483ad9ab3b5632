-- Used by: row_index (entries of other batches are dropped), data_upgrade, check_run.
SELECT id FROM batches WHERE model_id = :model ORDER BY id;
