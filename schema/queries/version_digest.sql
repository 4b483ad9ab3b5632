-- Used by: model_store_load, If-Match, changes of a default version, check_run.
SELECT digest, n_bytes, damage FROM versions WHERE model_id = :model AND version = :version;
