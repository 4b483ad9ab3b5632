-- Used by: model_store_mark_damaged.
UPDATE versions SET damage = :damage WHERE model_id = :model AND version = :version;
