-- Used by: row_index.
SELECT id, n_entries, n_parts FROM row_runs WHERE model_id = :model ORDER BY id;
