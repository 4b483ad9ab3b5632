-- Used by: db_file_identify.
PRAGMA application_id;
