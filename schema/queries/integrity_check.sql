-- Used by: db_check, check_run.
PRAGMA integrity_check;
