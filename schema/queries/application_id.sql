-- Used by: db_open.
PRAGMA application_id;
