-- Used by: backup_compact.
VACUUM;
