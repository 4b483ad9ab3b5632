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
