-- Used by: db_reopen: pages and cells, without comparing indexes with their tables.
PRAGMA quick_check(1);
