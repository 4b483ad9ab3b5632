-- Used by: db_open, migrate.
PRAGMA user_version;
