-- The input space of a model: names, units, bounds, types and distributions of what is uploaded. A
-- version keeps the one that it was trained with in its content.
CREATE TABLE spaces (
    model_id   INTEGER PRIMARY KEY,
    document   TEXT    NOT NULL, -- JSON with every member (server/documents/space_json.h)
    digest     TEXT    NOT NULL, -- SHA-256 of the document, hex
    origin     TEXT    NOT NULL, -- put, upload, train, model
    changed_ms INTEGER NOT NULL,
    CONSTRAINT spaces_model FOREIGN KEY (model_id) REFERENCES models (id),
    CONSTRAINT spaces_digest CHECK (length(digest) = 64)
) STRICT;
