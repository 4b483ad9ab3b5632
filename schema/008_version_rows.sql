-- Which rows trained a version, and which it kept out, so that two versions can be compared on rows
-- that trained neither. A row is known by the first 32 bits of its SHA-256, so it is known again when
-- batches were deleted and uploaded anew. Versions of earlier schemas, and registered ones, have none.
CREATE TABLE version_rows (
    model_id  INTEGER NOT NULL,
    version   INTEGER NOT NULL,
    n_trained INTEGER NOT NULL, -- also those of the versions that its training started from
    n_kept    INTEGER NOT NULL,
    n_bytes   INTEGER NOT NULL, -- of version_row_chunks
    unsure_to INTEGER NOT NULL, -- rows of batches up to this one may have trained it too; 0: none
    CONSTRAINT version_rows_key PRIMARY KEY (model_id, version),
    CONSTRAINT version_rows_version FOREIGN KEY (model_id, version)
        REFERENCES versions (model_id, version) ON DELETE CASCADE,
    CONSTRAINT version_rows_counts CHECK (n_trained >= 0 AND n_kept >= 0 AND n_bytes >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE version_row_chunks (
    model_id INTEGER NOT NULL,
    version  INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    sha256   BLOB    NOT NULL,
    bytes    BLOB    NOT NULL, -- server/store/models/row_set.h
    CONSTRAINT version_row_chunks_key PRIMARY KEY (model_id, version, seq),
    CONSTRAINT version_row_chunks_version FOREIGN KEY (model_id, version)
        REFERENCES versions (model_id, version) ON DELETE CASCADE
) STRICT;

-- The version whose seed and split a job took over; 0: they were given, or there was none.
ALTER TABLE jobs ADD COLUMN seed_from INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN split_from INTEGER NOT NULL DEFAULT 0;

-- With origin job: the rows that the version was compared on with the one before, in words.
ALTER TABLE promotions ADD COLUMN rows_used TEXT;
