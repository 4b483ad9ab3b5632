-- Used by: check_run.
PRAGMA foreign_key_check;
