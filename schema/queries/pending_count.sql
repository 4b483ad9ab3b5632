-- Used by: pending_store_add: points of a model that have not expired.
SELECT count(*) FROM pending_points WHERE model_id = :model AND expires_ms > :now;
