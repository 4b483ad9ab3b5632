-- Used by: model_store_delete_version: there is no way back to what is gone.
UPDATE models SET previous_version = NULL WHERE id = :model AND previous_version = :version;
