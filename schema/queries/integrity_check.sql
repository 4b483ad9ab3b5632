-- Used by: check_run.
PRAGMA integrity_check;
