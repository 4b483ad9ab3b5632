-- Used by: model_store_delete_version: may the default go?.
SELECT count(*) FROM versions WHERE model_id = :model;
