-- What discovery added to the schemas of the files. added is a JSON array.
CREATE TABLE schema_revisions (
    log_type       TEXT   NOT NULL,
    number         BIGINT NOT NULL,
    added          TEXT   NOT NULL,
    created_micros BIGINT NOT NULL,
    PRIMARY KEY (log_type, number)
);
