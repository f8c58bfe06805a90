-- What the owner of a source did not want: dropped unparsed (log_type ''), or as an event of the log type.
ALTER TABLE source_counters ADD COLUMN filtered BIGINT NOT NULL DEFAULT 0;
ALTER TABLE source_counters ADD COLUMN filtered_bytes BIGINT NOT NULL DEFAULT 0;
