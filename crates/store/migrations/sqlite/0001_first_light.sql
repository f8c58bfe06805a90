-- The Iceberg catalog, exactly as Java's JdbcCatalog (schema V1) and PyIceberg's SqlCatalog lay it out.
CREATE TABLE iceberg_tables (
    catalog_name               VARCHAR(255)  NOT NULL,
    table_namespace            VARCHAR(255)  NOT NULL,
    table_name                 VARCHAR(255)  NOT NULL,
    metadata_location          VARCHAR(1000),
    previous_metadata_location VARCHAR(1000),
    iceberg_type               VARCHAR(5),
    PRIMARY KEY (catalog_name, table_namespace, table_name)
);

CREATE TABLE iceberg_namespace_properties (
    catalog_name   VARCHAR(255)  NOT NULL,
    namespace      VARCHAR(255)  NOT NULL,
    property_key   VARCHAR(255)  NOT NULL,
    property_value VARCHAR(1000) NOT NULL,
    PRIMARY KEY (catalog_name, namespace, property_key)
);

-- Facts about the data directory as a whole, such as its format version.
CREATE TABLE facts (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
INSERT INTO facts (name, value) VALUES ('format_version', '1');

-- Committed batches: what makes a replayed commit a no-op.
CREATE TABLE batches (
    id            TEXT   NOT NULL PRIMARY KEY,
    sealed_micros BIGINT NOT NULL
);
CREATE INDEX batches_by_time ON batches (sealed_micros);

-- How far each origin of a source is done.
CREATE TABLE progress (
    source   TEXT    NOT NULL,
    origin   TEXT    NOT NULL,
    records  BIGINT  NOT NULL,
    complete BOOLEAN NOT NULL,
    PRIMARY KEY (source, origin)
);

-- One row: everything before it in the write-ahead log is committed.
CREATE TABLE wal_position (
    id              INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    segment_number  BIGINT  NOT NULL,
    byte_offset     BIGINT  NOT NULL
);

-- log_type is '' for records that no log type claimed.
CREATE TABLE source_counters (
    source      TEXT   NOT NULL,
    log_type    TEXT   NOT NULL,
    events      BIGINT NOT NULL,
    failures    BIGINT NOT NULL,
    bytes       BIGINT NOT NULL,
    oversized   BIGINT NOT NULL,
    last_micros BIGINT NOT NULL,
    PRIMARY KEY (source, log_type)
);

CREATE TABLE alerts (
    id             TEXT    NOT NULL PRIMARY KEY,
    kind           TEXT    NOT NULL,
    detection      TEXT    NOT NULL,
    title          TEXT    NOT NULL,
    dedup          TEXT    NOT NULL,
    severity       TEXT    NOT NULL,
    status         TEXT    NOT NULL,
    description    TEXT    NOT NULL,
    reference      TEXT    NOT NULL,
    runbook        TEXT    NOT NULL,
    context        TEXT,
    event_count    BIGINT  NOT NULL,
    threshold      BIGINT  NOT NULL,
    visible        BOOLEAN NOT NULL,
    created_micros BIGINT  NOT NULL,
    updated_micros BIGINT  NOT NULL
);
CREATE INDEX alerts_by_time ON alerts (created_micros, id);
CREATE INDEX alerts_by_detection ON alerts (detection, created_micros);

CREATE TABLE alert_log_types (
    alert    TEXT NOT NULL REFERENCES alerts (id) ON DELETE CASCADE,
    log_type TEXT NOT NULL,
    PRIMARY KEY (alert, log_type)
);

-- The newest dedup window of each key.
CREATE TABLE windows (
    detection     TEXT    NOT NULL,
    dedup         TEXT    NOT NULL,
    kind_is_error BOOLEAN NOT NULL,
    start_micros  BIGINT  NOT NULL,
    alert         TEXT    NOT NULL,
    event_count   BIGINT  NOT NULL,
    uniques       BLOB    NOT NULL,
    PRIMARY KEY (detection, dedup, kind_is_error)
);

-- The outbox. state: pending, delivered, gave_up.
CREATE TABLE deliveries (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    alert               TEXT    NOT NULL REFERENCES alerts (id) ON DELETE CASCADE,
    destination         TEXT    NOT NULL,
    state               TEXT    NOT NULL,
    attempts            BIGINT  NOT NULL,
    created_micros      BIGINT  NOT NULL,
    next_attempt_micros BIGINT  NOT NULL,
    last_attempt_micros BIGINT,
    last_error          TEXT,
    UNIQUE (alert, destination)
);
CREATE INDEX deliveries_due ON deliveries (state, next_attempt_micros);

-- What rules remember between events. string_set is a JSON array, dictionary a JSON object.
CREATE TABLE rule_cache (
    key             TEXT   NOT NULL PRIMARY KEY,
    counter         BIGINT,
    string_set      TEXT,
    dictionary      TEXT,
    expires_seconds BIGINT
);
CREATE INDEX rule_cache_by_expiry ON rule_cache (expires_seconds);
