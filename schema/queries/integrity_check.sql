-- Used by: db_check.
PRAGMA integrity_check;
