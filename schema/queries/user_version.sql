-- Used by: db_open, migrate, check_run, backup.
PRAGMA user_version;
