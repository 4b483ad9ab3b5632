-- Used by: db_open: does the file hold anything? db_is_alive: can it be read?
SELECT count(*) FROM sqlite_schema;
