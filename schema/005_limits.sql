-- Limits of tokens beside max_rate, and whose a queued job is, so that each has its share of a queue.
ALTER TABLE tokens ADD COLUMN max_rows INTEGER NOT NULL DEFAULT 0;        -- a second; 0: no limit
ALTER TABLE tokens ADD COLUMN max_bytes INTEGER NOT NULL DEFAULT 0;       -- of bodies, a second
ALTER TABLE tokens ADD COLUMN max_concurrent INTEGER NOT NULL DEFAULT 0;  -- requests
ALTER TABLE tokens ADD COLUMN max_queue_share INTEGER NOT NULL DEFAULT 0; -- percent

ALTER TABLE jobs ADD COLUMN token TEXT NOT NULL DEFAULT '';   -- id; empty: asked for without one
ALTER TABLE jobs ADD COLUMN address TEXT NOT NULL DEFAULT ''; -- server/access/peers.h; empty: this machine
