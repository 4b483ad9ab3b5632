-- Used by: job_store_add. policy: when the policy that asks for the job was changed, 0: none asks.
-- Such a policy was judged by facts of an earlier moment, so nothing is added if there is another
-- policy or a job now.
INSERT INTO jobs (model_id, request, priority, origin, created_ms, token, address, request_id,
                  traceparent, seed_from, split_from, kind, base_version)
SELECT :model, :request, :priority, :origin, :now, :token, :address, :request_id, :traceparent,
       :seed_from, :split_from, :kind, :base_version
WHERE :policy = 0
   OR (EXISTS (SELECT 1 FROM policies p WHERE p.model_id = :model AND p.changed_ms = :policy)
       AND NOT EXISTS (SELECT 1 FROM jobs a WHERE a.model_id = :model AND a.state IN (0, 1)
                         AND a.kind = 0))
RETURNING id;
