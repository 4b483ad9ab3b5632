-- Who may ask the server for what. Only salted digests of tokens are kept.
CREATE TABLE tokens (
    id         TEXT    NOT NULL,
    role       INTEGER NOT NULL, -- enum role of server/base/token.h
    salt       BLOB    NOT NULL,
    digest     BLOB    NOT NULL, -- SHA-256 of salt and secret
    models     TEXT    NOT NULL, -- patterns of model names, separated by commas
    max_rate   INTEGER NOT NULL, -- requests a second; 0: no limit
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL, -- 0: never
    revoked_ms INTEGER NOT NULL DEFAULT 0, -- 0: it is not
    change     INTEGER NOT NULL, -- grows with each change of the table
    CONSTRAINT tokens_key PRIMARY KEY (id),
    CONSTRAINT tokens_id CHECK (length(id) BETWEEN 1 AND 32),
    CONSTRAINT tokens_role CHECK (role BETWEEN 1 AND 4),
    CONSTRAINT tokens_salt CHECK (length(salt) = 16),
    CONSTRAINT tokens_digest CHECK (length(digest) = 32),
    CONSTRAINT tokens_change UNIQUE (change)
) STRICT, WITHOUT ROWID;
