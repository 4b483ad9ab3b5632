-- Used by: check_run, backup.
PRAGMA page_size;
