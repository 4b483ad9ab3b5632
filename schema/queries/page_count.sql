-- Used by: conn_open, db_tidy, check_run, backup.
PRAGMA page_count;
