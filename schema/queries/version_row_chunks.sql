-- Used by: version_rows_store_find, check_run.
SELECT sha256, bytes FROM version_row_chunks
WHERE model_id = :model AND version = :version ORDER BY seq;
