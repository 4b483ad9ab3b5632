-- Used by: a failed change, and the end of every read.
ROLLBACK;
