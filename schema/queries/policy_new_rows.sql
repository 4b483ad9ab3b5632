-- Used by: policy_store_facts: the rows after a batch, and the last batch of all.
SELECT coalesce(sum(n_rows), 0), coalesce(max(id), 0), coalesce(max(created_ms), 0)
FROM batches WHERE model_id = :model AND id > :after;
