-- Used by: db_open, db_version_in_file, db_version_look.
SELECT n FROM registry_version;
