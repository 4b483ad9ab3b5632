-- Used by: pending_close: a point that came back, and one that somebody gives up.
DELETE FROM pending_points WHERE model_id = :model AND id = :id;
