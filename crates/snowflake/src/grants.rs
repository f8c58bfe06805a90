//! Which privilege lets a role read which view, and the statement that gives it.
//!
//! The least that works: Snowflake recommends the database roles of SNOWFLAKE over IMPORTED PRIVILEGES, which may expose the
//! organisation's data too (<https://docs.snowflake.com/en/sql-reference/account-usage#account-usage-roles>).

use std::fmt;

use crate::sql::{identifier, unquoted};

/// The database roles of the SNOWFLAKE database that open `ACCOUNT_USAGE` views.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DatabaseRole {
    SecurityViewer,
    GovernanceViewer,
    UsageViewer,
    ObjectViewer,
}

impl DatabaseRole {
    pub const ALL: [Self; 4] = [Self::SecurityViewer, Self::GovernanceViewer, Self::UsageViewer, Self::ObjectViewer];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SecurityViewer => "SECURITY_VIEWER",
            Self::GovernanceViewer => "GOVERNANCE_VIEWER",
            Self::UsageViewer => "USAGE_VIEWER",
            Self::ObjectViewer => "OBJECT_VIEWER",
        }
    }

    /// The role that may read a view of `ACCOUNT_USAGE`; `None` for views that we know nothing of.
    #[must_use]
    pub fn for_view(view: &str) -> Option<Self> {
        let view = view.to_ascii_uppercase();
        let role = match view.as_str() {
            "QUERY_HISTORY"
            | "ACCESS_HISTORY"
            | "AGGREGATE_QUERY_HISTORY"
            | "AGGREGATE_ACCESS_HISTORY"
            | "TAG_REFERENCES"
            | "POLICY_REFERENCES"
            | "MASKING_POLICIES"
            | "ROW_ACCESS_POLICIES"
            | "QUERY_ATTRIBUTION_HISTORY" => Self::GovernanceViewer,
            "LOGIN_HISTORY"
            | "SESSIONS"
            | "USERS"
            | "ROLES"
            | "GRANTS_TO_USERS"
            | "GRANTS_TO_ROLES"
            | "GRANTS_TO_SHARES"
            | "SHARES"
            | "LISTINGS"
            | "NETWORK_POLICIES"
            | "NETWORK_RULES"
            | "NETWORK_RULE_REFERENCES"
            | "PASSWORD_POLICIES"
            | "SESSION_POLICIES"
            | "CREDENTIALS"
            | "TRUST_CENTER_FINDINGS"
            | "INTERNAL_STAGE_NETWORK_ACCESS_HISTORY"
            | "INGRESS_NETWORK_ACCESS_HISTORY" => Self::SecurityViewer,
            "DATA_TRANSFER_HISTORY"
            | "WAREHOUSE_METERING_HISTORY"
            | "METERING_HISTORY"
            | "METERING_DAILY_HISTORY"
            | "COPY_HISTORY"
            | "LOAD_HISTORY"
            | "EXTERNAL_ACCESS_HISTORY"
            | "PIPE_USAGE_HISTORY"
            | "STORAGE_USAGE"
            | "DATABASE_STORAGE_USAGE_HISTORY" => Self::UsageViewer,
            "STAGES" | "TABLES" | "VIEWS" | "COLUMNS" | "DATABASES" | "SCHEMATA" | "FUNCTIONS" | "PROCEDURES"
            | "PIPES" | "TASK_VERSIONS" => Self::ObjectViewer,
            _ => return None,
        };
        Some(role)
    }

    /// The statement that gives it to a role.
    #[must_use]
    pub fn grant_to(self, role: &str) -> String {
        format!("GRANT DATABASE ROLE SNOWFLAKE.{} TO ROLE {role}", self.name())
    }
}

/// Something that a privilege is missing on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    Warehouse(Option<String>),
    Role(String),
    Database(String),
    Schema(String),
    /// A table or view, as qualified as Snowflake names it.
    View(String),
    Unnamed,
}

impl Object {
    pub(crate) fn warehouse(name: Option<&str>) -> Self {
        Self::Warehouse(name.map(str::to_owned))
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Warehouse(Some(name)) => write!(f, "warehouse {name}"),
            Self::Warehouse(None) => f.write_str("the warehouse"),
            Self::Role(name) => write!(f, "role {name}"),
            Self::Database(name) => write!(f, "database {name}"),
            Self::Schema(name) => write!(f, "schema {name}"),
            Self::View(name) => f.write_str(name),
            Self::Unnamed => f.write_str("something that the statement uses"),
        }
    }
}

/// What a refusal is about: the first name it quotes, and the kind of thing written before it.
pub(crate) fn object_of(said: &str, role: Option<&str>) -> Object {
    let mut parts = said.splitn(3, '\'');
    let before = parts.next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let (Some(name), Some(_)) = (parts.next(), parts.next()) else {
        return match role {
            Some(role) if said.to_ascii_lowercase().contains("role") => Object::Role(role.to_owned()),
            _ => Object::Unnamed,
        };
    };
    let name = name.to_owned();
    if before.ends_with("warehouse") {
        return Object::Warehouse(Some(name));
    }
    if before.ends_with("role") {
        return Object::Role(name);
    }
    if before.ends_with("database") {
        return Object::Database(name);
    }
    if before.ends_with("schema") {
        return Object::Schema(name);
    }
    Object::View(name)
}

/// The statement that an administrator has to run, or where to look when it cannot be known.
pub(crate) fn way_out(object: &Object, role: Option<&str>, user: Option<&str>) -> String {
    let role_name = role.map_or_else(|| "<role>".to_owned(), identifier);
    match object {
        Object::Warehouse(name) => {
            let name = name.as_deref().map_or_else(|| "<warehouse>".to_owned(), identifier);
            format!("GRANT USAGE ON WAREHOUSE {name} TO ROLE {role_name}")
        }
        Object::Role(name) => {
            format!("GRANT ROLE {} TO USER {}", identifier(name), user.map_or_else(|| "<user>".to_owned(), identifier))
        }
        Object::Database(name) if name.eq_ignore_ascii_case("SNOWFLAKE") => {
            DatabaseRole::SecurityViewer.grant_to(&role_name)
        }
        Object::Database(name) => format!("GRANT USAGE ON DATABASE {name} TO ROLE {role_name}"),
        Object::Schema(name) if in_account_usage(name) => DatabaseRole::SecurityViewer.grant_to(&role_name),
        Object::Schema(name) => format!("GRANT USAGE ON SCHEMA {name} TO ROLE {role_name}"),
        Object::View(name) => view_way_out(name, &role_name),
        Object::Unnamed => format!("grant to {role_name} what the statement reads"),
    }
}

fn view_way_out(name: &str, role: &str) -> String {
    let parts = unquoted(name);
    let view = parts.last().map(String::as_str).unwrap_or_default();
    let known = DatabaseRole::for_view(view).filter(|_| parts.len() == 1 || in_account_usage(name));
    if let Some(database_role) = known {
        return database_role.grant_to(role);
    }
    match parts.as_slice() {
        [database, schema, view] => {
            let (database, schema, view) = (identifier(database), identifier(schema), identifier(view));
            format!(
                "GRANT USAGE ON DATABASE {database} TO ROLE {role}; GRANT USAGE ON SCHEMA {database}.{schema} TO ROLE {role}; GRANT SELECT ON VIEW {database}.{schema}.{view} TO ROLE {role}"
            )
        }
        _ => format!("GRANT SELECT ON VIEW {name} TO ROLE {role}"),
    }
}

fn in_account_usage(name: &str) -> bool {
    let parts = unquoted(name);
    parts.first().is_some_and(|database| database.eq_ignore_ascii_case("SNOWFLAKE"))
        || (parts.len() == 2 && parts[0].eq_ignore_ascii_case("ACCOUNT_USAGE"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_lead_to_their_grant() {
        for (said, what, grant) in [
            (
                "Object 'SNOWFLAKE.ACCOUNT_USAGE.DATA_TRANSFER_HISTORY' does not exist or not authorized.",
                "SNOWFLAKE.ACCOUNT_USAGE.DATA_TRANSFER_HISTORY",
                "GRANT DATABASE ROLE SNOWFLAKE.USAGE_VIEWER TO ROLE R",
            ),
            (
                "Object 'AUDIT.PUBLIC.LOGIN_HISTORY' does not exist or not authorized.",
                "AUDIT.PUBLIC.LOGIN_HISTORY",
                "GRANT USAGE ON DATABASE AUDIT TO ROLE R; GRANT USAGE ON SCHEMA AUDIT.PUBLIC TO ROLE R; GRANT SELECT ON VIEW AUDIT.PUBLIC.LOGIN_HISTORY TO ROLE R",
            ),
            (
                "Insufficient privileges to operate on warehouse 'WH'",
                "warehouse WH",
                "GRANT USAGE ON WAREHOUSE WH TO ROLE R",
            ),
            (
                "Role 'wrong' specified in the connect string is not granted to this user.",
                "role wrong",
                "GRANT ROLE \"wrong\" TO USER U",
            ),
            (
                "Database 'SNOWFLAKE' does not exist or not authorized.",
                "database SNOWFLAKE",
                "GRANT DATABASE ROLE SNOWFLAKE.SECURITY_VIEWER TO ROLE R",
            ),
            ("Schema 'AUDIT.X' does not exist", "schema AUDIT.X", "GRANT USAGE ON SCHEMA AUDIT.X TO ROLE R"),
            ("no quotes here", "something that the statement uses", "grant to R what the statement reads"),
        ] {
            let object = object_of(said, Some("R"));
            assert_eq!(object.to_string(), what);
            assert_eq!(way_out(&object, Some("R"), Some("U")), grant, "{said}");
        }
    }
}
