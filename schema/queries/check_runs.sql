-- Used by: check_run, from schema 2 on. SQLite knows the length of a blob without reading it.
SELECT r.id, r.n_entries, r.n_parts, coalesce(sum(length(p.bytes)), 0),
       coalesce(max(p.part), -1), coalesce(sum(length(p.bytes) % 16), 0)
FROM row_runs r LEFT JOIN row_run_parts p ON p.run_id = r.id
WHERE r.model_id = :model GROUP BY r.id ORDER BY r.id;
