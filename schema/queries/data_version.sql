-- Used by: db_poll: it changes when another connection has committed.
PRAGMA data_version;
