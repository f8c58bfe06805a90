//! What alerting must know of a detection besides its matches.
//!
//! The detection crate is a neighbour, so the pipeline copies these few facts from its specs.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use uncia_model::{AlertKind, DetectionId, Severity};

/// Facts of every loaded detection.
pub type Facts = HashMap<DetectionId, Arc<RuleFacts>>;

/// The static part of a detection, from its YAML.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleFacts {
    pub id: DetectionId,
    /// `DisplayName`, else the id.
    pub name: String,
    /// Of its match alerts: [`AlertKind::Rule`], [`AlertKind::ScheduledRule`] or [`AlertKind::CorrelationRule`].
    pub kind: AlertKind,
    pub severity: Severity,
    pub dedup_period_minutes: u32,
    /// Matches, or distinct `unique()` values, that make the alert visible.
    pub threshold: u64,
    /// False: matches are signals only. Errors make alerts all the same.
    pub create_alert: bool,
    /// Destinations that replace routing by severity: ids or names.
    pub output_ids: Vec<String>,
    pub description: String,
    pub reference: String,
    pub runbook: String,
    pub tags: Vec<String>,
    pub reports: BTreeMap<String, Vec<String>>,
}

impl RuleFacts {
    /// A detection's facts with the defaults of content that says nothing.
    pub fn new(id: DetectionId, severity: Severity) -> Self {
        Self {
            name: id.as_str().to_owned(),
            id,
            kind: AlertKind::Rule,
            severity,
            dedup_period_minutes: 60,
            threshold: 1,
            create_alert: true,
            output_ids: Vec::new(),
            description: String::new(),
            reference: String::new(),
            runbook: String::new(),
            tags: Vec::new(),
            reports: BTreeMap::new(),
        }
    }

    /// The kind of alert that the detection's own errors make.
    #[must_use]
    pub fn error_kind(&self) -> AlertKind {
        match self.kind {
            AlertKind::ScheduledRule | AlertKind::ScheduledRuleError => AlertKind::ScheduledRuleError,
            AlertKind::CorrelationRule | AlertKind::CorrelationRuleError => AlertKind::CorrelationRuleError,
            _ => AlertKind::RuleError,
        }
    }

    pub(crate) fn dedup_period_micros(&self) -> i64 {
        let minutes = self.dedup_period_minutes.max(uncia_model::limits::MIN_DEDUP_PERIOD_MINUTES);
        i64::from(minutes) * 60 * 1_000_000
    }
}
