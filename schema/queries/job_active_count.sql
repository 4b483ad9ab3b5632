-- Used by: model_store_delete: jobs that still need the model.
SELECT count(*) FROM jobs WHERE model_id = :model AND state IN (0, 1);
