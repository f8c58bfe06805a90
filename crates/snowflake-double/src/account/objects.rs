//! What grants are about: roles, warehouses, databases with their schemas and views, integrations.

use std::collections::BTreeMap;

/// A role of the account.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) comment: Option<String>,
    pub(crate) created: i64,
    pub(crate) dropped: Option<i64>,
    pub(crate) owner: String,
}

/// A warehouse; sizes and limits are kept as the script wrote them.
#[derive(Clone, Debug)]
pub(crate) struct Warehouse {
    pub(crate) name: String,
    pub(crate) properties: BTreeMap<String, String>,
    pub(crate) owner: String,
    /// Told to sleep; it wakes by itself unless `AUTO_RESUME` is off.
    pub(crate) suspended: bool,
}

impl Warehouse {
    pub(crate) fn auto_suspend_seconds(&self) -> i64 {
        self.properties.get("AUTO_SUSPEND").and_then(|value| value.parse().ok()).unwrap_or(600)
    }

    pub(crate) fn auto_resume(&self) -> bool {
        self.properties.get("AUTO_RESUME").is_none_or(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Credits an hour, by size.
    pub(crate) fn credits_per_hour(&self) -> f64 {
        let size = self.properties.get("WAREHOUSE_SIZE").map(|size| size.to_uppercase().replace(['-', '\''], ""));
        match size.as_deref() {
            Some("SMALL") => 2.0,
            Some("MEDIUM") => 4.0,
            Some("LARGE") => 8.0,
            Some("XLARGE") => 16.0,
            Some("XXLARGE" | "2XLARGE" | "X2LARGE") => 32.0,
            _ => 1.0,
        }
    }

    pub(crate) fn statement_timeout(&self) -> Option<u64> {
        self.properties.get("STATEMENT_TIMEOUT_IN_SECONDS").and_then(|value| value.parse().ok())
    }
}

/// A database that is not SNOWFLAKE: its schemas, with their views and what each stands for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Database {
    pub(crate) schemas: BTreeMap<String, BTreeMap<String, ViewSource>>,
}

/// Where a view outside SNOWFLAKE takes its rows from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ViewSource {
    /// All of a view of `ACCOUNT_USAGE`.
    Usage(String),
    /// Rows that were put there by hand.
    Stored,
}

/// A security or other integration, with its properties by upper-case name; lists are joined by commas.
#[derive(Clone, Debug)]
pub(crate) struct Integration {
    pub(crate) name: String,
    pub(crate) properties: BTreeMap<String, String>,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
}

impl Integration {
    pub(crate) fn property(&self, name: &str) -> Option<&str> {
        self.properties.get(name).map(String::as_str)
    }

    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.property(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    pub(crate) fn seconds(&self, name: &str, default: i64) -> i64 {
        self.property(name).and_then(|value| value.parse().ok()).unwrap_or(default)
    }

    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let text = self.property(name).unwrap_or_default();
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }
}
