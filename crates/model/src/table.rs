//! Tables of the lake, as every stage names and shapes them.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A database of the lake; SQL also knows each as `panther_<name>.public`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Database {
    Logs,
    RuleMatches,
    RuleErrors,
    Signals,
    Monitor,
    Lookups,
    Cloudsecurity,
}

impl Database {
    pub const ALL: [Self; 7] = [
        Self::Logs,
        Self::RuleMatches,
        Self::RuleErrors,
        Self::Signals,
        Self::Monitor,
        Self::Lookups,
        Self::Cloudsecurity,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logs => "logs",
            Self::RuleMatches => "rule_matches",
            Self::RuleErrors => "rule_errors",
            Self::Signals => "signals",
            Self::Monitor => "monitor",
            Self::Lookups => "lookups",
            Self::Cloudsecurity => "cloudsecurity",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|database| database.as_str() == text)
    }
}

/// A table's full name, `logs.aws_cloudtrail`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableRef {
    pub database: Database,
    pub name: Arc<str>,
}

impl TableRef {
    pub fn new(database: Database, name: impl AsRef<str>) -> Self {
        Self { database, name: Arc::from(name.as_ref()) }
    }
}

impl fmt::Display for TableRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.database.as_str(), self.name)
    }
}

/// What a table's columns are, in order. Names are unique without regard to case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSchema {
    pub columns: Vec<Column>,
    /// For people: the log type's description.
    pub description: String,
}

/// A column, or a field of a struct column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// As rules and SQL see it (transliterated).
    pub name: String,
    #[serde(rename = "type")]
    pub kind: ColumnType,
    pub required: bool,
    pub doc: Option<String>,
}

impl Column {
    pub fn new(name: impl Into<String>, kind: ColumnType) -> Self {
        Self { name: name.into(), kind, required: false, doc: None }
    }
}

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    String,
    Bool,
    /// 32 bits.
    Int,
    /// 64 bits.
    Long,
    /// 64 bits.
    Double,
    /// Microseconds, UTC.
    Timestamp,
    /// Any JSON value, kept as its text.
    Json,
    List(Box<ColumnType>),
    Struct(Vec<Column>),
}

/// A table's metadata pointer to be moved in the store's transaction: the one act that makes staged rows visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PointerMove {
    pub table: TableRef,
    /// The metadata location this move was made on; `None` for a table that did not exist. A different one in the
    /// store is a conflict, and the rows must be staged again.
    pub from: Option<String>,
    pub to: String,
}
