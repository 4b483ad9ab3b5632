-- What the request that asked for a job was called, so that the lines of a job can be found from it.
-- Empty for jobs of a policy, and of earlier schemas.
ALTER TABLE jobs ADD COLUMN request_id TEXT NOT NULL DEFAULT ''
    CONSTRAINT jobs_request_id CHECK (length(request_id) <= 64);
ALTER TABLE jobs ADD COLUMN traceparent TEXT NOT NULL DEFAULT ''
    CONSTRAINT jobs_traceparent CHECK (length(traceparent) <= 55);
