-- Used by: db_check.
PRAGMA foreign_key_check;
