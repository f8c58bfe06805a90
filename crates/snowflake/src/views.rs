//! The audit views, one table: which columns we want, by which one a view is read on, what makes a row one row, how late rows
//! come, and when a known row is news again.
//!
//! The times come from Snowflake's documented latencies and from a simulation of late rows: a small overlap finds most late
//! rows soon, and the daily sweep, which reaches back further than its period plus the worst lateness, lets none be lost.
//! <https://docs.snowflake.com/en/sql-reference/account-usage>

use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);

/// How one log type is read from one view.
#[derive(Clone, Copy, Debug)]
pub struct AuditView {
    /// The view's name; views read by two cursors are there twice.
    pub name: &'static str,
    pub log_type: &'static str,
    /// Grows in the order in which rows are made final, and never changes in a row.
    pub cursor: &'static str,
    /// The columns that make a row one row.
    pub key: Key,
    /// Wanted columns, separated by white space. What an account does not have is left out.
    pub columns: &'static str,
    /// Wanted columns without which a row is of no use.
    pub required: &'static str,
    /// Columns that are not read as they stand: name, and the expression to read.
    pub expressions: &'static [(&'static str, &'static str)],
    /// Columns of the event that the view does not have: name, and expression.
    pub added: &'static [(&'static str, &'static str)],
    /// Which rows are wanted, besides the window.
    pub condition: Option<&'static str>,
    /// How far each run reaches back behind the one before.
    pub overlap: Duration,
    /// How far the daily sweep reaches back: its period plus the worst lateness.
    pub sweep: Duration,
    /// When a row that is known comes again as a new revision.
    pub revision: Option<Revision>,
    /// No row goes away while it is remembered, nor moves to another hour: an hour with as many rows as are known of it has
    /// no others, and need not be read again. Not so where numbers grow, or where rows leave with the object they speak of.
    pub rows_stay: bool,
    /// Read unless the owner chooses otherwise.
    pub by_default: bool,
    /// Not in every edition.
    pub enterprise: bool,
}

/// What makes a row one row.
#[derive(Clone, Copy, Debug)]
pub enum Key {
    Columns(&'static [&'static str]),
    /// One column does not suffice, and no others do for certain.
    WholeRow,
}

/// What makes a known row news.
#[derive(Clone, Copy, Debug)]
pub enum Revision {
    /// The column gets a value.
    Filled(&'static str),
    /// The number grew.
    Grown(&'static str),
}

impl AuditView {
    /// What its position and rows are stored under.
    #[must_use]
    pub fn feed(&self) -> String {
        match self.cursor {
            "DELETED_ON" => format!("{}/{}", self.name, self.cursor),
            _ => self.name.to_owned(),
        }
    }

    /// The names of the wanted columns.
    pub fn wanted(&self) -> impl Iterator<Item = &'static str> {
        self.columns.split_whitespace()
    }

    /// How long a row is remembered: no window reaches back further.
    #[must_use]
    pub fn memory(&self) -> Duration {
        self.overlap.max(self.sweep) + 24 * HOUR
    }
}

/// All of them.
pub const AUDIT_VIEWS: &[AuditView] = &[
    AuditView {
        name: "LOGIN_HISTORY",
        log_type: "Snowflake.LoginHistory",
        cursor: "EVENT_TIMESTAMP",
        key: Key::Columns(&["EVENT_ID"]),
        columns: "EVENT_ID EVENT_TIMESTAMP EVENT_TYPE USER_NAME CLIENT_IP REPORTED_CLIENT_TYPE REPORTED_CLIENT_VERSION \
                  FIRST_AUTHENTICATION_FACTOR SECOND_AUTHENTICATION_FACTOR IS_SUCCESS ERROR_CODE ERROR_MESSAGE \
                  RELATED_EVENT_ID CONNECTION CLIENT_PRIVATE_LINK_ID FIRST_AUTHENTICATION_FACTOR_ID \
                  SECOND_AUTHENTICATION_FACTOR_ID LOGIN_DETAILS",
        required: "EVENT_ID EVENT_TIMESTAMP USER_NAME",
        overlap: HOUR.saturating_mul(6),
        rows_stay: true,
        ..AUDIT_VIEW
    },
    AuditView {
        name: "SESSIONS",
        log_type: "Snowflake.Sessions",
        cursor: "CREATED_ON",
        key: Key::Columns(&["SESSION_ID"]),
        columns: "SESSION_ID CREATED_ON USER_NAME AUTHENTICATION_METHOD LOGIN_EVENT_ID CLIENT_APPLICATION_ID \
                  CLIENT_APPLICATION_VERSION CLIENT_ENVIRONMENT CLIENT_BUILD_ID CLIENT_VERSION CLOSED_REASON \
                  ACCESS_TIME IS_OPEN",
        required: "SESSION_ID CREATED_ON USER_NAME",
        overlap: HOUR.saturating_mul(8),
        revision: Some(Revision::Filled("CLOSED_REASON")),
        rows_stay: true,
        ..AUDIT_VIEW
    },
    AuditView {
        name: "QUERY_HISTORY",
        log_type: "Snowflake.QueryHistory",
        // By START_TIME every statement that runs longer than the overlap would be lost.
        cursor: "END_TIME",
        key: Key::Columns(&["QUERY_ID"]),
        columns: "QUERY_ID QUERY_TEXT DATABASE_ID DATABASE_NAME SCHEMA_ID SCHEMA_NAME QUERY_TYPE SESSION_ID \
                  AUTHN_EVENT_ID USER_NAME ROLE_NAME WAREHOUSE_ID WAREHOUSE_NAME WAREHOUSE_SIZE WAREHOUSE_TYPE \
                  CLUSTER_NUMBER QUERY_TAG EXECUTION_STATUS ERROR_CODE ERROR_MESSAGE START_TIME END_TIME \
                  TOTAL_ELAPSED_TIME BYTES_SCANNED PERCENTAGE_SCANNED_FROM_CACHE BYTES_WRITTEN \
                  BYTES_WRITTEN_TO_RESULT BYTES_READ_FROM_RESULT ROWS_PRODUCED ROWS_INSERTED ROWS_UPDATED \
                  ROWS_DELETED ROWS_UNLOADED BYTES_DELETED PARTITIONS_SCANNED PARTITIONS_TOTAL \
                  BYTES_SPILLED_TO_LOCAL_STORAGE BYTES_SPILLED_TO_REMOTE_STORAGE BYTES_SENT_OVER_THE_NETWORK \
                  COMPILATION_TIME EXECUTION_TIME QUEUED_PROVISIONING_TIME QUEUED_REPAIR_TIME QUEUED_OVERLOAD_TIME \
                  TRANSACTION_BLOCKED_TIME OUTBOUND_DATA_TRANSFER_CLOUD OUTBOUND_DATA_TRANSFER_REGION \
                  OUTBOUND_DATA_TRANSFER_BYTES INBOUND_DATA_TRANSFER_CLOUD INBOUND_DATA_TRANSFER_REGION \
                  INBOUND_DATA_TRANSFER_BYTES LIST_EXTERNAL_FILES_TIME CREDITS_USED_CLOUD_SERVICES RELEASE_VERSION \
                  EXTERNAL_FUNCTION_TOTAL_INVOCATIONS EXTERNAL_FUNCTION_TOTAL_SENT_ROWS \
                  EXTERNAL_FUNCTION_TOTAL_RECEIVED_ROWS EXTERNAL_FUNCTION_TOTAL_SENT_BYTES \
                  EXTERNAL_FUNCTION_TOTAL_RECEIVED_BYTES QUERY_LOAD_PERCENT IS_CLIENT_GENERATED_STATEMENT \
                  QUERY_ACCELERATION_BYTES_SCANNED QUERY_ACCELERATION_PARTITIONS_SCANNED \
                  QUERY_ACCELERATION_UPPER_LIMIT_SCALE_FACTOR TRANSACTION_ID CHILD_QUERIES_WAIT_TIME ROLE_TYPE \
                  QUERY_HASH QUERY_HASH_VERSION QUERY_PARAMETERIZED_HASH QUERY_PARAMETERIZED_HASH_VERSION \
                  SECONDARY_ROLE_STATS ROWS_WRITTEN_TO_RESULT QUERY_RETRY_TIME QUERY_RETRY_CAUSE FAULT_HANDLING_TIME \
                  USER_TYPE USER_DATABASE_NAME USER_DATABASE_ID USER_SCHEMA_NAME USER_SCHEMA_ID BIND_VALUES AGENT_TYPE",
        required: "QUERY_ID START_TIME END_TIME USER_NAME QUERY_TEXT EXECUTION_STATUS",
        // Documented in lower case, written in upper case.
        expressions: &[("EXECUTION_STATUS", "UPPER(EXECUTION_STATUS)")],
        condition: Some("UPPER(EXECUTION_STATUS) <> 'RUNNING'"),
        overlap: HOUR.saturating_mul(3),
        rows_stay: true,
        ..AUDIT_VIEW
    },
    AuditView {
        name: "ACCESS_HISTORY",
        log_type: "Snowflake.AccessHistory",
        // There is no end: a row appears when its statement ends, which is seven days later at the most.
        cursor: "QUERY_START_TIME",
        key: Key::WholeRow,
        columns: "QUERY_ID QUERY_START_TIME USER_NAME DIRECT_OBJECTS_ACCESSED BASE_OBJECTS_ACCESSED OBJECTS_MODIFIED \
                  OBJECT_MODIFIED_BY_DDL POLICIES_REFERENCED PARENT_QUERY_ID ROOT_QUERY_ID EVENT_SOURCE \
                  ADDITIONAL_PROPERTIES AGENTS_INFO",
        required: "QUERY_ID QUERY_START_TIME USER_NAME",
        overlap: HOUR.saturating_mul(8),
        sweep: HOUR.saturating_mul(78),
        rows_stay: true,
        enterprise: true,
        ..AUDIT_VIEW
    },
    AuditView {
        name: "DATA_TRANSFER_HISTORY",
        log_type: "Snowflake.DataTransferHistory",
        cursor: "START_TIME",
        key: Key::Columns(&[
            "START_TIME",
            "END_TIME",
            "SOURCE_CLOUD",
            "SOURCE_REGION",
            "TARGET_CLOUD",
            "TARGET_REGION",
            "TRANSFER_TYPE",
        ]),
        columns: "START_TIME END_TIME SOURCE_CLOUD SOURCE_REGION TARGET_CLOUD TARGET_REGION BYTES_TRANSFERRED TRANSFER_TYPE",
        required: "START_TIME END_TIME BYTES_TRANSFERRED",
        expressions: &[("BYTES_TRANSFERRED", "BYTES_TRANSFERRED::NUMBER")],
        // The shape of the organisation's view, which rules expect.
        added: &[
            ("ORGANIZATION_NAME", "CURRENT_ORGANIZATION_NAME()"),
            ("ACCOUNT_NAME", "CURRENT_ACCOUNT_NAME()"),
            ("ACCOUNT_LOCATOR", "CURRENT_ACCOUNT()"),
            ("REGION", "CURRENT_REGION()"),
            ("USAGE_DATE", "START_TIME"),
        ],
        overlap: HOUR.saturating_mul(8),
        sweep: HOUR.saturating_mul(72),
        revision: Some(Revision::Grown("BYTES_TRANSFERRED")),
        ..AUDIT_VIEW
    },
    AuditView {
        name: "GRANTS_TO_USERS",
        log_type: "Snowflake.GrantsToUsers",
        cursor: "CREATED_ON",
        key: Key::Columns(&["ROLE", "GRANTEE_NAME", "GRANTED_BY", "CREATED_ON"]),
        // Without DELETED_ON: the revocation is an event of its own.
        columns: "CREATED_ON ROLE GRANTED_TO GRANTEE_NAME GRANTED_BY",
        required: "CREATED_ON ROLE GRANTEE_NAME",
        overlap: HOUR.saturating_mul(6),
        by_default: false,
        ..AUDIT_VIEW
    },
    AuditView {
        name: "GRANTS_TO_USERS",
        log_type: "Snowflake.GrantsToUsers",
        cursor: "DELETED_ON",
        key: Key::Columns(&["ROLE", "GRANTEE_NAME", "GRANTED_BY", "CREATED_ON"]),
        columns: "DELETED_ON CREATED_ON ROLE GRANTED_TO GRANTEE_NAME GRANTED_BY",
        required: "DELETED_ON CREATED_ON ROLE GRANTEE_NAME",
        overlap: HOUR.saturating_mul(6),
        by_default: false,
        ..AUDIT_VIEW
    },
    AuditView {
        name: "GRANTS_TO_ROLES",
        log_type: "Snowflake.GrantsToRoles",
        cursor: "CREATED_ON",
        key: GRANT_TO_ROLE,
        columns: "CREATED_ON MODIFIED_ON PRIVILEGE GRANTED_ON NAME TABLE_CATALOG TABLE_SCHEMA GRANTED_TO GRANTEE_NAME \
                  GRANT_OPTION GRANTED_BY GRANTED_BY_ROLE_TYPE OBJECT_INSTANCE",
        required: "CREATED_ON PRIVILEGE NAME GRANTEE_NAME",
        overlap: HOUR.saturating_mul(6),
        by_default: false,
        ..AUDIT_VIEW
    },
    AuditView {
        name: "GRANTS_TO_ROLES",
        log_type: "Snowflake.GrantsToRoles",
        cursor: "DELETED_ON",
        key: GRANT_TO_ROLE,
        columns: "DELETED_ON CREATED_ON MODIFIED_ON PRIVILEGE GRANTED_ON NAME TABLE_CATALOG TABLE_SCHEMA GRANTED_TO \
                  GRANTEE_NAME GRANT_OPTION GRANTED_BY GRANTED_BY_ROLE_TYPE OBJECT_INSTANCE",
        required: "DELETED_ON CREATED_ON PRIVILEGE NAME GRANTEE_NAME",
        overlap: HOUR.saturating_mul(6),
        by_default: false,
        ..AUDIT_VIEW
    },
    AuditView {
        name: "WAREHOUSE_METERING_HISTORY",
        log_type: "Snowflake.WarehouseMeteringHistory",
        cursor: "START_TIME",
        key: Key::Columns(&["START_TIME", "END_TIME", "WAREHOUSE_ID"]),
        columns: "START_TIME END_TIME WAREHOUSE_ID WAREHOUSE_NAME CREDITS_USED CREDITS_USED_COMPUTE \
                  CREDITS_USED_CLOUD_SERVICES CREDITS_ATTRIBUTED_COMPUTE_QUERIES",
        required: "START_TIME END_TIME WAREHOUSE_NAME CREDITS_USED",
        overlap: HOUR.saturating_mul(8),
        sweep: HOUR.saturating_mul(72),
        revision: Some(Revision::Grown("CREDITS_USED")),
        by_default: false,
        ..AUDIT_VIEW
    },
    AuditView {
        name: "METERING_HISTORY",
        log_type: "Snowflake.MeteringHistory",
        cursor: "START_TIME",
        key: Key::Columns(&["START_TIME", "END_TIME", "SERVICE_TYPE", "ENTITY_ID", "NAME"]),
        columns: "START_TIME END_TIME SERVICE_TYPE ENTITY_ID NAME CREDITS_USED CREDITS_USED_COMPUTE \
                  CREDITS_USED_CLOUD_SERVICES BYTES ROWS FILES",
        required: "START_TIME END_TIME SERVICE_TYPE CREDITS_USED",
        overlap: HOUR.saturating_mul(8),
        sweep: HOUR.saturating_mul(72),
        revision: Some(Revision::Grown("CREDITS_USED")),
        by_default: false,
        ..AUDIT_VIEW
    },
];

const GRANT_TO_ROLE: Key = Key::Columns(&[
    "PRIVILEGE",
    "GRANTED_ON",
    "TABLE_CATALOG",
    "TABLE_SCHEMA",
    "NAME",
    "GRANTED_TO",
    "GRANTEE_NAME",
    "CREATED_ON",
]);

/// What most of them have in common.
const AUDIT_VIEW: AuditView = AuditView {
    name: "",
    log_type: "",
    cursor: "",
    key: Key::WholeRow,
    columns: "",
    required: "",
    expressions: &[],
    added: &[],
    condition: None,
    overlap: HOUR,
    sweep: HOUR.saturating_mul(48),
    revision: None,
    rows_stay: false,
    by_default: true,
    enterprise: false,
};

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_table_is_in_itself_right() {
        let feeds: HashSet<String> = AUDIT_VIEWS.iter().map(AuditView::feed).collect();
        assert_eq!(feeds.len(), AUDIT_VIEWS.len());
        for view in AUDIT_VIEWS {
            let wanted: Vec<&str> = view.wanted().collect();
            assert_eq!(wanted.iter().collect::<HashSet<_>>().len(), wanted.len(), "{}: a column twice", view.name);
            assert!(wanted.contains(&view.cursor), "{}: cursor", view.name);
            let key: &[&str] = match view.key {
                Key::Columns(columns) => columns,
                Key::WholeRow => &[],
            };
            let revision = view.revision.map(|(Revision::Filled(column) | Revision::Grown(column))| column);
            let named = key.iter().copied().chain(revision).chain(view.required.split_whitespace());
            for column in named.chain(view.expressions.iter().map(|(name, _)| *name)) {
                assert!(wanted.contains(&column), "{}: {column} is not read", view.name);
            }
            let grows = matches!(view.revision, Some(Revision::Grown(_)));
            assert!(!(grows && view.rows_stay), "{}: counts of rows do not show that numbers grew", view.name);
            assert!(view.sweep >= view.overlap.max(HOUR.saturating_mul(24)), "{}", view.name);
        }
    }
}
