-- Used by: db_tidy, once for each step (STEP_PAGES).
PRAGMA incremental_vacuum(256);
