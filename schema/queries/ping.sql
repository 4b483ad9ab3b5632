-- Used by: db_is_alive.
SELECT count(*) FROM models;
