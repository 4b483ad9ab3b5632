-- Used by: job_store_list. state -1: any; models: patterns as of a token, NULL: any.
WITH RECURSIVE patterns (one, rest) AS (
    SELECT '', :models || ','
    UNION ALL
    SELECT substr(rest, 1, instr(rest, ',') - 1), substr(rest, instr(rest, ',') + 1)
    FROM patterns WHERE rest <> '')
SELECT j.id, m.name, j.state, j.attempts, j.created_ms, j.started_ms, j.finished_ms, j.version,
       j.cancel_requested, j.message, j.data_rows, j.data_batches, j.data_last, j.data_fingerprint,
       j.priority, j.origin, j.not_before_ms, j.faults, j.base_version, j.promoted, j.request_id,
       j.traceparent, j.seed_from, j.split_from,
       (SELECT group_concat(json_extract(w.value, '$.code'), ' ')
        FROM json_each(CASE WHEN json_valid(j.scores) THEN j.scores END, '$.warnings') w),
       j.kind,
       substr(j.request, -20) = CAST(',"where":"launcher"}' AS BLOB)
FROM jobs j JOIN models m ON m.id = j.model_id
WHERE (:name IS NULL OR m.name = :name) AND (:state < 0 OR j.state = :state)
  AND (:models IS NULL OR j.model_id IN (
      SELECT v.id FROM models v JOIN patterns p ON p.one <> '' AND v.name GLOB p.one))
ORDER BY j.id DESC LIMIT :limit;
