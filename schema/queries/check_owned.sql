-- Used by: check_run: what a deleted model must not have any more.
SELECT (SELECT count(*) FROM versions WHERE model_id = :model),
       (SELECT count(*) FROM batches WHERE model_id = :model),
       (SELECT count(*) FROM jobs WHERE model_id = :model);
