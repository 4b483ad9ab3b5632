-- Used by: db_tidy, backup: 2 if free pages can be given back step by step.
PRAGMA auto_vacuum;
