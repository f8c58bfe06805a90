//! Kinds of items, and the specs of those that support detections.

use std::fmt;

use uncia_model::LogType;

use super::Schedule;
use crate::{DataModelMapping, PythonSource};

/// The `AnalysisType` of a content file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AnalysisType {
    Rule,
    ScheduledRule,
    Policy,
    CorrelationRule,
    DataModel,
    Global,
    LookupTable,
    SavedQuery,
    ScheduledQuery,
    Pack,
    ScheduledPrompt,
}

impl AnalysisType {
    pub const ALL: [Self; 11] = [
        Self::Rule,
        Self::ScheduledRule,
        Self::Policy,
        Self::CorrelationRule,
        Self::DataModel,
        Self::Global,
        Self::LookupTable,
        Self::SavedQuery,
        Self::ScheduledQuery,
        Self::Pack,
        Self::ScheduledPrompt,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::ScheduledRule => "scheduled_rule",
            Self::Policy => "policy",
            Self::CorrelationRule => "correlation_rule",
            Self::DataModel => "datamodel",
            Self::Global => "global",
            Self::LookupTable => "lookup_table",
            Self::SavedQuery => "saved_query",
            Self::ScheduledQuery => "scheduled_query",
            Self::Pack => "pack",
            Self::ScheduledPrompt => "scheduled_prompt",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The key that holds the item's id.
    #[must_use]
    pub const fn id_key(self) -> &'static str {
        match self {
            Self::Rule | Self::ScheduledRule | Self::CorrelationRule => "RuleID",
            Self::Policy => "PolicyID",
            Self::DataModel => "DataModelID",
            Self::Global => "GlobalID",
            Self::LookupTable => "LookupName",
            Self::SavedQuery | Self::ScheduledQuery => "QueryName",
            Self::Pack => "PackID",
            Self::ScheduledPrompt => "PromptName",
        }
    }
}

impl fmt::Display for AnalysisType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A module that every detection, data model and other global can import under its id.
#[derive(Clone, Debug)]
pub struct GlobalSpec {
    pub id: String,
    pub file: String,
    pub module: PythonSource,
}

/// Standard names for the fields of some log types.
#[derive(Clone, Debug)]
pub struct DataModelSpec {
    pub id: String,
    pub file: String,
    pub enabled: bool,
    pub log_types: Vec<LogType>,
    pub mappings: Vec<DataModelMapping>,
    pub module: Option<PythonSource>,
}

/// A saved or a scheduled query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuerySpec {
    pub id: String,
    pub file: String,
    pub sql: String,
    /// Whether it runs on its schedule.
    pub enabled: bool,
    /// Saved queries have none.
    pub schedule: Option<Schedule>,
}

/// A lookup table whose rows are in a file beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupSpec {
    pub enabled: bool,
    /// The log type whose columns say what the cells of a CSV file are.
    pub schema: LogType,
    /// The column that values are compared with.
    pub key: String,
    /// What is looked up, by log type.
    pub associated: Vec<(LogType, Vec<String>)>,
    /// As the specification names it; the ending says what it holds.
    pub data_file: String,
    pub data: String,
}

/// An item that is known and kept by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherItem {
    pub id: String,
    pub analysis_type: AnalysisType,
    pub file: String,
    /// For packs the ids that it names.
    pub ids: Vec<String>,
    /// Of a lookup table whose rows are here.
    pub lookup: Option<Box<LookupSpec>>,
}
