-- Used by: a change or read that failed.
ROLLBACK;
