-- Used by: the end of every change.
COMMIT;
