-- Used by: data_store_summary, data_cursor_open.
SELECT (SELECT created_ms FROM batches WHERE model_id = :model ORDER BY id LIMIT 1),
       (SELECT created_ms FROM batches WHERE model_id = :model ORDER BY id DESC LIMIT 1),
       (SELECT id FROM batches WHERE model_id = :model ORDER BY id DESC LIMIT 1);
