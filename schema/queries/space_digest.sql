-- Used by: space_is_seen.
SELECT digest FROM spaces WHERE model_id = :model;
