-- Used by: model_store_delete_version: nothing leads back to a deleted version.
UPDATE models SET previous_version = NULL WHERE id = :model AND previous_version = :version;
