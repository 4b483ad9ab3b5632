-- Used by: db_file_identify: does the file hold anything? db_is_alive: can it be read?
SELECT count(*) FROM sqlite_schema;
