-- Used by: model_store_load, check_run.
SELECT sha256, bytes FROM version_chunks WHERE model_id = :model AND version = :version ORDER BY seq;
