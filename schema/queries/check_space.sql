-- Used by: check_run, from schema 7 on: the document of a model's space, for its digest.
SELECT document, digest FROM spaces WHERE model_id = :model;
