-- Used by: model_store_delete_version: may the default be deleted?
SELECT count(*) FROM versions WHERE model_id = :model;
