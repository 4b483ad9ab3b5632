-- Used by: db_write_end.
UPDATE registry_version SET n = :n;
