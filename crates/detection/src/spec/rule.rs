//! Detections: rules, scheduled rules, policies and correlation rules with everything their YAML says.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use uncia_model::{AlertKind, DetectionId, LogType, Severity};

use super::AnalysisType;
use crate::content::yaml::Node;
use crate::correlation::{CorrelationRule, CorrelationTest};
use crate::simple::{Expression, SimpleRule};
use crate::{Mock, PythonSource};

/// One detection: its YAML, defaults applied, and its Python.
#[derive(Clone, Debug)]
pub struct RuleSpec {
    pub id: DetectionId,
    pub analysis_type: AnalysisType,
    /// Its YAML file.
    pub file: String,
    pub logic: Logic,
    /// The detection from which a derived one takes its logic and what it does not say itself.
    pub base: Option<DetectionId>,
    pub enabled: bool,
    /// What it judges: log types of a rule, query names of a scheduled rule, resource types of a policy.
    pub log_types: Vec<LogType>,
    pub severity: Severity,
    /// `DisplayName`, or empty.
    pub display_name: String,
    pub description: String,
    pub reference: String,
    pub runbook: String,
    /// Free text such as `Experimental` or `Deprecated`.
    pub status: String,
    pub dedup_period_minutes: u32,
    /// Matches, or distinct `unique()` values, that make an alert visible.
    pub threshold: u64,
    /// False: matches are signals and make no alert.
    pub create_alert: bool,
    /// Destinations that replace routing by severity.
    pub output_ids: Vec<String>,
    /// Sorted.
    pub tags: Vec<String>,
    /// Framework to sorted ids, e.g. `MITRE ATT&CK` to `TA0006:T1556`.
    pub reports: BTreeMap<String, Vec<String>>,
    pub summary_attributes: Vec<String>,
    pub tests: Vec<TestSpec>,
    /// Inline filters: all must let an event pass before the rule is asked.
    pub filters: Arc<[Expression]>,
    /// The YAML as written, for filters by any key.
    pub(crate) written: Node,
}

/// How a detection decides.
#[derive(Clone, Debug)]
pub enum Logic {
    Python(PythonSource),
    /// Match expressions in its YAML.
    Simple(Arc<SimpleRule>),
    /// A group or a sequence of other rules' signals.
    Correlation(Arc<CorrelationRule>),
}

/// One unit test.
#[derive(Clone, Debug, PartialEq)]
pub struct TestSpec {
    pub name: String,
    pub line: usize,
    pub expected: bool,
    /// The event or resource as JSON text; of a correlation rule what it gets for its signals.
    pub event: Bytes,
    pub(crate) correlation: Option<CorrelationTest>,
    pub mocks: Vec<Mock>,
    /// Sorted; `Some` of an empty list means that nothing is to be delivered.
    pub expected_destinations: Option<Vec<String>>,
}

impl RuleSpec {
    /// `DisplayName`, else the id.
    #[must_use]
    pub fn name(&self) -> &str {
        if self.display_name.is_empty() { self.id.as_str() } else { &self.display_name }
    }

    /// The kind of the alerts that its matches make.
    #[must_use]
    pub fn alert_kind(&self) -> AlertKind {
        match self.analysis_type {
            AnalysisType::ScheduledRule => AlertKind::ScheduledRule,
            AnalysisType::CorrelationRule => AlertKind::CorrelationRule,
            AnalysisType::Policy => AlertKind::Policy,
            _ => AlertKind::Rule,
        }
    }
}
