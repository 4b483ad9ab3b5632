-- Used by: db_open: is the file new?.
SELECT count(*) FROM sqlite_schema;
