-- What is wrong right now with a source, and the system alert that tells of it. A row goes when the trouble does.
CREATE TABLE alarms (
    kind         TEXT   NOT NULL,
    subject      TEXT   NOT NULL,
    alert        TEXT   NOT NULL REFERENCES alerts (id),
    since_micros BIGINT NOT NULL,
    PRIMARY KEY (kind, subject)
);
