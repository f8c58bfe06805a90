//! Names of the standard fields, spelled once.

pub const LOG_TYPE: &str = "p_log_type";
pub const ROW_ID: &str = "p_row_id";
pub const EVENT_TIME: &str = "p_event_time";
pub const PARSE_TIME: &str = "p_parse_time";
pub const SCHEMA_VERSION: &str = "p_schema_version";
pub const SOURCE_ID: &str = "p_source_id";
pub const SOURCE_LABEL: &str = "p_source_label";
/// JSON text: where in the source the event came from, e.g. `{"path": …}`.
pub const SOURCE_FILE: &str = "p_source_file";
/// JSON text: the core fields that the schema maps, such as `source.ip` and `user.email`.
pub const UDM: &str = "p_udm";
/// JSON text: what the envelope of the record says, such as the log group of a CloudWatch message.
pub const HEADER: &str = "p_header";
/// JSON text: what the event holds beyond its table's columns, under the event's own names. Lake only; rules see these
/// fields under their names.
pub const EXTRA: &str = "p_extra";

/// Every indicator column; all log tables have all of them.
pub const ANY: &[&str] = &[
    "p_any_ip_addresses",
    "p_any_domain_names",
    "p_any_emails",
    "p_any_usernames",
    "p_any_actor_ids",
    "p_any_trace_ids",
    "p_any_md5_hashes",
    "p_any_sha1_hashes",
    "p_any_sha256_hashes",
    "p_any_aws_account_ids",
    "p_any_aws_instance_ids",
    "p_any_aws_arns",
    "p_any_aws_tags",
    "p_any_mac_addresses",
    "p_any_serial_numbers",
];

/// JSON text: what lookup tables know of the event's values. Rules and the rows of matches have it, the log table has not.
pub const ENRICHMENT: &str = "p_enrichment";

pub const RULE_ID: &str = "p_rule_id";
pub const RULE_SEVERITY: &str = "p_rule_severity";
pub const RULE_TAGS: &str = "p_rule_tags";
pub const RULE_REPORTS: &str = "p_rule_reports";
pub const RULE_ERROR: &str = "p_rule_error";
pub const ALERT_ID: &str = "p_alert_id";
pub const ALERT_TITLE: &str = "p_alert_title";
pub const ALERT_SEVERITY: &str = "p_alert_severity";
pub const ALERT_CONTEXT: &str = "p_alert_context";
pub const ALERT_CREATION_TIME: &str = "p_alert_creation_time";
pub const ALERT_UPDATE_TIME: &str = "p_alert_update_time";
pub const DEDUP: &str = "p_dedup";
