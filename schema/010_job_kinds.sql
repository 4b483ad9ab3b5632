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
