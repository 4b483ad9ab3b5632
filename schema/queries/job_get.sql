-- Used by: job_get.
SELECT j.id, m.name, j.state, j.attempts, j.created_ms, j.started_ms, j.finished_ms, j.version,
       j.cancel_requested, j.message, j.data_rows, j.data_batches, j.data_last, j.data_fingerprint,
       j.priority, j.origin, j.not_before_ms, j.faults, j.base_version, j.promoted, j.request_id,
       j.traceparent, j.seed_from, j.split_from,
       (SELECT group_concat(json_extract(w.value, '$.code'), ' ')
        FROM json_each(CASE WHEN json_valid(j.scores) THEN j.scores END, '$.warnings') w),
       j.kind,
       substr(j.request, -20) = CAST(',"where":"launcher"}' AS BLOB)
FROM jobs j JOIN models m ON m.id = j.model_id
WHERE j.id = :id;
