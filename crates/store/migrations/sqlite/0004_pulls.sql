-- How far each view of a pulled source is read. Times are the server's, in microseconds since 1970; null before the first
-- window is done. What follows them is for people.
CREATE TABLE pulls (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    source           TEXT   NOT NULL,
    view_name        TEXT   NOT NULL,
    watermark_micros BIGINT,
    swept_micros     BIGINT,
    begun_micros     BIGINT,
    checked_micros   BIGINT,
    newest_micros    BIGINT,
    found_late       BIGINT NOT NULL DEFAULT 0,
    cut_short        BIGINT NOT NULL DEFAULT 0,
    problem          TEXT,
    UNIQUE (source, view_name)
);

-- The rows of pulled views that are committed, by the hour of the view's cursor: what makes reading a window again harmless.
-- state grows when a row becomes a new revision.
CREATE TABLE pulled_keys (
    pull     BIGINT NOT NULL REFERENCES pulls (id) ON DELETE CASCADE,
    hour     BIGINT NOT NULL,
    row_key  BLOB   NOT NULL,
    state    BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (pull, hour, row_key)
) WITHOUT ROWID;
