-- Counts the transactions that have changed something, so that a client can ask a replica whether it
-- has seen a change. One row.
CREATE TABLE registry_version (
    id INTEGER PRIMARY KEY CONSTRAINT registry_version_one CHECK (id = 1),
    n  INTEGER NOT NULL CONSTRAINT registry_version_grows CHECK (n >= 0)
) STRICT;

INSERT INTO registry_version (id, n) VALUES (1, 1);
