-- Used by: check_run, from schema 2 on: what data_stats must contain.
SELECT count(*), coalesce(sum(n_rows), 0), coalesce(sum(digest IS NULL), 0),
       coalesce(min(n_inputs), 0), coalesce(max(n_inputs), 0),
       coalesce(min(n_outputs), 0), coalesce(max(n_outputs), 0)
FROM batches WHERE model_id = :model;
