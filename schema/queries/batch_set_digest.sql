-- Used by: data_upgrade.
UPDATE batches SET digest = :digest WHERE id = :batch;
