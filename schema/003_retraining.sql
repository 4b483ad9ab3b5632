-- Automatic retraining: jobs with priorities, retries, checkpoints and a history; aliases of
-- versions, promotions, the number of versions kept, and the policies that ask for jobs.

ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0; -- the highest first
-- Who asked: request, or the part of the model's policy that did: new_rows, schedule, drift.
ALTER TABLE jobs ADD COLUMN origin TEXT NOT NULL DEFAULT 'request';
ALTER TABLE jobs ADD COLUMN not_before_ms INTEGER NOT NULL DEFAULT 0; -- queued: it waits until then
ALTER TABLE jobs ADD COLUMN faults INTEGER NOT NULL DEFAULT 0;  -- after which it was tried again
ALTER TABLE jobs ADD COLUMN stalled INTEGER NOT NULL DEFAULT 0; -- attempts since a checkpoint
ALTER TABLE jobs ADD COLUMN base_version INTEGER NOT NULL DEFAULT 0; -- warm start; 0: cold
ALTER TABLE jobs ADD COLUMN promoted INTEGER NOT NULL DEFAULT 0; -- its version became the default
ALTER TABLE jobs ADD COLUMN gate TEXT;   -- JSON: what was compared; NULL: nothing
ALTER TABLE jobs ADD COLUMN scores TEXT; -- JSON: how good its version is
ALTER TABLE jobs ADD COLUMN curves BLOB; -- losses by step (server/jobs/curves.h)

CREATE INDEX jobs_to_claim ON jobs (priority DESC, id) WHERE state = 0;

-- The state of a running job's tasks (core/base/checkpoint.h). It is deleted when the job ends.
CREATE TABLE job_checkpoints (
    job_id INTEGER NOT NULL,
    task   INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    sha256 BLOB    NOT NULL,
    bytes  BLOB    NOT NULL,
    CONSTRAINT job_checkpoints_key PRIMARY KEY (job_id, task, seq),
    CONSTRAINT job_checkpoints_job FOREIGN KEY (job_id) REFERENCES jobs (id) ON DELETE CASCADE
) STRICT;

ALTER TABLE models ADD COLUMN previous_version INTEGER; -- the default before this one; NULL: none
ALTER TABLE models ADD COLUMN keep_versions INTEGER NOT NULL DEFAULT 0; -- how many; 0: all

-- Names of versions beside @default and @previous. A version with an alias is not deleted.
CREATE TABLE aliases (
    model_id   INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL,
    CONSTRAINT aliases_key PRIMARY KEY (model_id, name),
    CONSTRAINT aliases_version FOREIGN KEY (model_id, version)
        REFERENCES versions (model_id, version),
    CONSTRAINT aliases_length CHECK (length(name) BETWEEN 1 AND 64)
) STRICT, WITHOUT ROWID;

CREATE INDEX aliases_by_version ON aliases (model_id, version);

-- Every change of a default version.
CREATE TABLE promotions (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    model_id INTEGER NOT NULL,
    version  INTEGER,          -- NULL: the model has no default any more
    previous INTEGER,          -- NULL: there was none
    origin   TEXT    NOT NULL, -- register, request, job
    job      INTEGER,          -- with origin job
    at_ms    INTEGER NOT NULL,
    CONSTRAINT promotions_model FOREIGN KEY (model_id) REFERENCES models (id)
) STRICT;

CREATE INDEX promotions_by_model ON promotions (model_id, id);

-- When a model is retrained automatically.
CREATE TABLE policies (
    model_id   INTEGER PRIMARY KEY,
    document   TEXT    NOT NULL, -- JSON with every setting (server/api/policy_json.h)
    changed_ms INTEGER NOT NULL,
    CONSTRAINT policies_model FOREIGN KEY (model_id) REFERENCES models (id)
) STRICT;

-- The version a training began from; 0: none.
ALTER TABLE training_data ADD COLUMN base_version INTEGER NOT NULL DEFAULT 0;
