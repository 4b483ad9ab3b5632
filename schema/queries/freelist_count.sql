-- Used by: db_tidy, check_run: pages that hold nothing.
PRAGMA freelist_count;
