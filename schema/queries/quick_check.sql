-- Used by: db_reopen: pages and cells, without comparing indexes with tables.
PRAGMA quick_check(1);
