-- Used by: row_run_list.
SELECT id, n_entries, n_parts FROM row_runs WHERE model_id = :model ORDER BY id;
