-- Used by: model_store_load.
SELECT sha256, bytes FROM version_chunks WHERE model_id = :model AND version = :version ORDER BY seq;
