-- Used by: job_store_add. policy: when the policy was changed that asks for it, 0: none does. Its
-- facts are from before: nothing is added when there is another policy or a job by now.
INSERT INTO jobs (model_id, request, priority, origin, created_ms)
SELECT :model, :request, :priority, :origin, :now
WHERE :policy = 0
   OR (EXISTS (SELECT 1 FROM policies p WHERE p.model_id = :model AND p.changed_ms = :policy)
       AND NOT EXISTS (SELECT 1 FROM jobs a WHERE a.model_id = :model AND a.state IN (0, 1)))
RETURNING id;
