-- Used by: batch_get_span.
SELECT (SELECT created_ms FROM batches WHERE model_id = :model ORDER BY id LIMIT 1),
       (SELECT created_ms FROM batches WHERE model_id = :model ORDER BY id DESC LIMIT 1),
       (SELECT id FROM batches WHERE model_id = :model ORDER BY id DESC LIMIT 1);
