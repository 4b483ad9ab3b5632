-- Used by: db_tidy, once for each step of TIDY_STEP_PAGES.
PRAGMA incremental_vacuum(256);
