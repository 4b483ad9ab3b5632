-- Used by: job_store_details. The warnings stand in the scores (job_finish.sql).
SELECT request, gate,
       CASE WHEN json_valid(scores) AND json_type(scores, '$.warnings') IS NOT NULL
            THEN nullif(json_remove(scores, '$.warnings'), '{}') ELSE scores END,
       CASE WHEN json_valid(scores) THEN json_extract(scores, '$.warnings') END
FROM jobs WHERE id = :id;
