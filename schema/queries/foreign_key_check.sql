-- Used by: db_check, check_run.
PRAGMA foreign_key_check;
