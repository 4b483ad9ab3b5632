-- Used by: a version whose content failed its check.
UPDATE versions SET damage = :damage WHERE model_id = :model AND version = :version;
