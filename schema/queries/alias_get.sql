-- Used by: model_get_alias.
SELECT version FROM aliases WHERE model_id = :model AND name = :name;
