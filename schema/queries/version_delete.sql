-- Used by: model_store_delete_version.
DELETE FROM versions WHERE model_id = :model AND version = :version;
