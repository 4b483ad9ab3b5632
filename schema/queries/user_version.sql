-- Used by: db_file_identify.
PRAGMA user_version;
