-- Used by: check_run, from schema 3 on: damage, as far as it shows, to what has no digest.
SELECT 'the request of job ' || id FROM jobs
WHERE model_id = :model AND NOT json_valid(CAST(request AS TEXT))
UNION ALL
SELECT 'the gate of job ' || id FROM jobs
WHERE model_id = :model AND gate IS NOT NULL AND NOT json_valid(gate)
UNION ALL
SELECT 'the list of scores of job ' || id FROM jobs
WHERE model_id = :model AND scores IS NOT NULL AND NOT json_valid(scores)
UNION ALL
SELECT 'the provenance of batch ' || id FROM batches
WHERE model_id = :model AND provenance IS NOT NULL AND NOT json_valid(provenance)
UNION ALL
SELECT 'the policy' FROM policies
WHERE model_id = :model AND NOT json_valid(document)
UNION ALL
SELECT 'what is known of the rows of version ' || t.version
FROM training_data t JOIN jobs j ON j.id = t.job AND j.model_id = t.model_id
WHERE t.model_id = :model AND j.version = t.version
  AND (t.fingerprint <> j.data_fingerprint OR t.n_rows <> j.data_rows OR
       t.n_batches <> j.data_batches OR t.last_batch <> j.data_last);
