-- Used by: backup.
VACUUM INTO :path;
