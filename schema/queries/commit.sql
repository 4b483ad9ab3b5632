-- Used by: the end of a change or read.
COMMIT;
