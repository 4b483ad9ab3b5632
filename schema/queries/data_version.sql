-- Used by: db_poll: changes when another connection has committed.
PRAGMA data_version;
