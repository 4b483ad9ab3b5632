-- The first schema of the registry. Times are UTC milliseconds since 1970. Weights and rows are
-- little-endian float64 in chunks, each with its SHA-256.

CREATE TABLE models (
    id              INTEGER PRIMARY KEY,
    name            TEXT    NOT NULL,
    created_ms      INTEGER NOT NULL,
    -- A deleted model keeps its row, so that a version number never names two contents.
    deleted         INTEGER NOT NULL DEFAULT 0,
    default_version INTEGER,
    next_version    INTEGER NOT NULL DEFAULT 1,
    CONSTRAINT models_name_unique UNIQUE (name),
    CONSTRAINT models_name_length CHECK (length(name) BETWEEN 1 AND 64),
    CONSTRAINT models_deleted_bool CHECK (deleted IN (0, 1)),
    CONSTRAINT models_next_version CHECK (next_version >= 1)
) STRICT;

CREATE TABLE versions (
    model_id   INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    digest     TEXT    NOT NULL, -- SHA-256 of the content, hex
    n_bytes    INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    damage     TEXT,             -- why the content cannot be served; NULL: it can
    CONSTRAINT versions_key PRIMARY KEY (model_id, version),
    CONSTRAINT versions_model FOREIGN KEY (model_id) REFERENCES models (id),
    CONSTRAINT versions_digest CHECK (length(digest) = 64),
    CONSTRAINT versions_bytes CHECK (n_bytes >= 0)
) STRICT;

CREATE INDEX versions_by_digest ON versions (model_id, digest);

CREATE TABLE version_chunks (
    model_id INTEGER NOT NULL,
    version  INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    sha256   BLOB    NOT NULL,
    bytes    BLOB    NOT NULL,
    CONSTRAINT version_chunks_key PRIMARY KEY (model_id, version, seq),
    CONSTRAINT version_chunks_version FOREIGN KEY (model_id, version)
        REFERENCES versions (model_id, version) ON DELETE CASCADE
) STRICT;

CREATE TABLE batches (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    model_id   INTEGER NOT NULL,
    n_rows     INTEGER NOT NULL,
    n_inputs   INTEGER NOT NULL,
    n_outputs  INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    CONSTRAINT batches_model FOREIGN KEY (model_id) REFERENCES models (id),
    CONSTRAINT batches_shape CHECK (n_rows >= 1 AND n_inputs >= 1 AND n_outputs >= 1)
) STRICT;

CREATE INDEX batches_by_model ON batches (model_id, id);

CREATE TABLE batch_chunks (
    batch_id INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    n_rows   INTEGER NOT NULL,
    sha256   BLOB    NOT NULL,
    bytes    BLOB    NOT NULL, -- [n_rows x (n_inputs + n_outputs)]
    CONSTRAINT batch_chunks_key PRIMARY KEY (batch_id, seq),
    CONSTRAINT batch_chunks_batch FOREIGN KEY (batch_id) REFERENCES batches (id) ON DELETE CASCADE
) STRICT;

CREATE TABLE jobs (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    model_id         INTEGER NOT NULL,
    state            INTEGER NOT NULL DEFAULT 0, -- enum job_state
    attempts         INTEGER NOT NULL DEFAULT 0,
    request          BLOB    NOT NULL,
    created_ms       INTEGER NOT NULL,
    started_ms       INTEGER NOT NULL DEFAULT 0,
    finished_ms      INTEGER NOT NULL DEFAULT 0,
    version          INTEGER NOT NULL DEFAULT 0,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    message          TEXT    NOT NULL DEFAULT '',
    CONSTRAINT jobs_model FOREIGN KEY (model_id) REFERENCES models (id),
    CONSTRAINT jobs_state CHECK (state BETWEEN 0 AND 4),
    CONSTRAINT jobs_cancel_bool CHECK (cancel_requested IN (0, 1)),
    CONSTRAINT jobs_attempts CHECK (attempts >= 0)
) STRICT;

CREATE INDEX jobs_by_state ON jobs (state, id);
CREATE INDEX jobs_by_model ON jobs (model_id, id);
-- At most one job of a model runs.
CREATE UNIQUE INDEX jobs_one_running ON jobs (model_id) WHERE state = 1;
