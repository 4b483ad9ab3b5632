-- Points that were handed out to be simulated (design, suggest) and have not come back as rows. An
-- upload that names their ids closes them; those that have expired count no more and are swept.
CREATE TABLE pending_points (
    id         INTEGER PRIMARY KEY AUTOINCREMENT, -- never given out twice
    model_id   INTEGER NOT NULL,
    n_inputs   INTEGER NOT NULL,
    inputs     BLOB    NOT NULL, -- n_inputs numbers of eight bytes, places for members of categories
    origin     TEXT    NOT NULL, -- design, suggest
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    CONSTRAINT pending_points_model FOREIGN KEY (model_id) REFERENCES models (id),
    CONSTRAINT pending_points_size CHECK (length(inputs) = 8 * n_inputs)
) STRICT;

CREATE INDEX pending_points_by_model ON pending_points (model_id, id);
CREATE INDEX pending_points_by_expiry ON pending_points (expires_ms);

-- Jobs that train nothing: analyses of a version, which base_version names, and what they found.
ALTER TABLE jobs ADD COLUMN kind INTEGER NOT NULL DEFAULT 0 -- enum job_kind of server/store/jobs
    CONSTRAINT jobs_kind CHECK (kind BETWEEN 0 AND 2);

CREATE TABLE job_results (
    job_id INTEGER NOT NULL,
    part   INTEGER NOT NULL, -- 0: the document
    seq    INTEGER NOT NULL,
    sha256 BLOB    NOT NULL,
    bytes  BLOB    NOT NULL,
    CONSTRAINT job_results_key PRIMARY KEY (job_id, part, seq),
    CONSTRAINT job_results_job FOREIGN KEY (job_id) REFERENCES jobs (id) ON DELETE CASCADE
) STRICT;

-- One training of a model at a time, and beside it one job of the others.
DROP INDEX jobs_one_running;
CREATE UNIQUE INDEX jobs_one_running ON jobs (model_id, (kind > 0)) WHERE state = 1;
