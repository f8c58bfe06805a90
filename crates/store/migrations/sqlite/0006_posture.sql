-- What was found of each control on each account, one row for each time that it stayed the same. Times are those of the
-- account's state, in microseconds since 1970; ended_micros is null in the row that holds. status: PASS, FAIL, and where
-- neither was ever known NOT_APPLICABLE or ERROR.
CREATE TABLE findings (
    control        TEXT   NOT NULL,
    source         TEXT   NOT NULL,
    status         TEXT   NOT NULL,
    problem        TEXT,
    violations     BIGINT NOT NULL,
    began_micros   BIGINT NOT NULL,
    checked_micros BIGINT NOT NULL,
    ended_micros   BIGINT,
    PRIMARY KEY (control, source, began_micros)
);
CREATE UNIQUE INDEX findings_now ON findings (control, source) WHERE ended_micros IS NULL;

-- What violates a control: by the object that does, with the evidence as it was when it began.
CREATE TABLE violations (
    control      TEXT   NOT NULL,
    source       TEXT   NOT NULL,
    resource     TEXT   NOT NULL,
    evidence     TEXT   NOT NULL,
    alert        TEXT,
    began_micros BIGINT NOT NULL,
    ended_micros BIGINT,
    PRIMARY KEY (control, source, resource, began_micros)
);
CREATE UNIQUE INDEX violations_now ON violations (control, source, resource) WHERE ended_micros IS NULL;
