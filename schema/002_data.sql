-- What many clients that upload at the same time need: where a batch came from, uploads that are
-- repeated, duplicates, and statistics of each column.

ALTER TABLE batches ADD COLUMN format TEXT NOT NULL DEFAULT 'unknown'; -- of the upload
ALTER TABLE batches ADD COLUMN source TEXT;                            -- plain text of the client
ALTER TABLE batches ADD COLUMN provenance TEXT;                        -- JSON object of the client
-- SHA-256 of all rows as they are stored, however they are cut into chunks. NULL in a batch of an
-- older file, until data_upgrade has read it.
ALTER TABLE batches ADD COLUMN digest BLOB;
ALTER TABLE batches ADD COLUMN n_duplicates INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batches ADD COLUMN n_outliers INTEGER NOT NULL DEFAULT 0;

CREATE INDEX batches_to_read ON batches (model_id) WHERE digest IS NULL;

-- Totals and statistics of a model's rows, so that an upload need not read them.
CREATE TABLE data_stats (
    model_id   INTEGER PRIMARY KEY,
    generation INTEGER NOT NULL, -- grows with each deletion
    n_rows     INTEGER NOT NULL,
    n_batches  INTEGER NOT NULL,
    n_inputs   INTEGER NOT NULL, -- 0: no rows, any number may come
    n_outputs  INTEGER NOT NULL,
    columns    BLOB    NOT NULL, -- struct column_stats [n_inputs + n_outputs]
    CONSTRAINT data_stats_model FOREIGN KEY (model_id) REFERENCES models (id),
    CONSTRAINT data_stats_counts CHECK (n_rows >= 0 AND n_batches >= 0)
) STRICT;

-- Hashes of rows in sorted runs (server/store/data/row_run.h).
CREATE TABLE row_runs (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    model_id  INTEGER NOT NULL,
    n_entries INTEGER NOT NULL,
    n_parts   INTEGER NOT NULL,
    CONSTRAINT row_runs_model FOREIGN KEY (model_id) REFERENCES models (id),
    CONSTRAINT row_runs_size CHECK (n_entries >= 1 AND n_parts >= 1)
) STRICT;

CREATE INDEX row_runs_by_model ON row_runs (model_id, id);

CREATE TABLE row_run_parts (
    run_id INTEGER NOT NULL,
    part   INTEGER NOT NULL,
    bytes  BLOB    NOT NULL, -- struct row_entry [any number]
    CONSTRAINT row_run_parts_key PRIMARY KEY (run_id, part),
    CONSTRAINT row_run_parts_run FOREIGN KEY (run_id) REFERENCES row_runs (id) ON DELETE CASCADE
) STRICT;

-- Idempotency keys of the last day, with the answers they were given. A key outlives its batch,
-- because an upload that is repeated late must not bring back rows that were deleted.
CREATE TABLE data_keys (
    model_id   INTEGER NOT NULL,
    key        TEXT    NOT NULL,
    payload    BLOB    NOT NULL, -- SHA-256 of the body and of how it is read
    answer     BLOB    NOT NULL, -- struct data_append_result
    created_ms INTEGER NOT NULL,
    CONSTRAINT data_keys_key PRIMARY KEY (model_id, key),
    CONSTRAINT data_keys_model FOREIGN KEY (model_id) REFERENCES models (id),
    CONSTRAINT data_keys_length CHECK (length(key) BETWEEN 1 AND 255),
    CONSTRAINT data_keys_payload CHECK (length(payload) = 32)
) STRICT, WITHOUT ROWID;

CREATE INDEX data_keys_by_age ON data_keys (created_ms);

-- The rows that a job was given: those of the batches up to data_last.
ALTER TABLE jobs ADD COLUMN data_rows INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN data_batches INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN data_last INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN data_fingerprint TEXT NOT NULL DEFAULT '';

-- The rows that trained a version. They are noted beside its content and not in it, so that equal
-- rows, settings and seed give equal content, however the rows were cut into batches.
CREATE TABLE training_data (
    model_id    INTEGER NOT NULL,
    version     INTEGER NOT NULL,
    n_rows      INTEGER NOT NULL,
    n_batches   INTEGER NOT NULL,
    last_batch  INTEGER NOT NULL,
    fingerprint TEXT    NOT NULL, -- SHA-256 of the batches' digests in order, hex
    job         INTEGER NOT NULL,
    CONSTRAINT training_data_key PRIMARY KEY (model_id, version),
    CONSTRAINT training_data_version FOREIGN KEY (model_id, version)
        REFERENCES versions (model_id, version) ON DELETE CASCADE,
    CONSTRAINT training_data_fingerprint CHECK (length(fingerprint) = 64)
) STRICT, WITHOUT ROWID;
