-- Used by: db_tidy, once for each step: DB_TIDY_STEP pages.
PRAGMA incremental_vacuum(256);
