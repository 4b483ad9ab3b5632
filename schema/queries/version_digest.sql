-- Used by: model_get_version.
SELECT digest, n_bytes, damage FROM versions WHERE model_id = :model AND version = :version;
