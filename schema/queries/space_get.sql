-- Used by: space_store_find.
SELECT document, digest, origin, changed_ms FROM spaces WHERE model_id = :model;
