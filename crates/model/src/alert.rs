//! The thing a person handles, and its way out.

use serde::{Deserialize, Serialize};
use uncia_document::Timestamp;

use crate::{AlertId, DestinationId, DetectionId, LogType, Severity};

/// What an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlertKind {
    Rule,
    RuleError,
    ScheduledRule,
    ScheduledRuleError,
    CorrelationRule,
    CorrelationRuleError,
    Policy,
    SystemError,
}

impl AlertKind {
    pub const ALL: [Self; 8] = [
        Self::Rule,
        Self::RuleError,
        Self::ScheduledRule,
        Self::ScheduledRuleError,
        Self::CorrelationRule,
        Self::CorrelationRuleError,
        Self::Policy,
        Self::SystemError,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rule => "RULE",
            Self::RuleError => "RULE_ERROR",
            Self::ScheduledRule => "SCHEDULED_RULE",
            Self::ScheduledRuleError => "SCHEDULED_RULE_ERROR",
            Self::CorrelationRule => "CORRELATION_RULE",
            Self::CorrelationRuleError => "CORRELATION_RULE_ERROR",
            Self::Policy => "POLICY",
            Self::SystemError => "SYSTEM_ERROR",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Where a person is with an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlertStatus {
    Open,
    Triaged,
    Closed,
    Resolved,
}

impl AlertStatus {
    pub const ALL: [Self; 4] = [Self::Open, Self::Triaged, Self::Closed, Self::Resolved];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Triaged => "TRIAGED",
            Self::Closed => "CLOSED",
            Self::Resolved => "RESOLVED",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str().eq_ignore_ascii_case(text))
    }
}

/// An alert as stored: one dedup window of one detection. Texts come from the window's first match.
///
/// `visible` turns true when the count reaches the threshold; until then nobody sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    pub id: AlertId,
    pub kind: AlertKind,
    pub detection: DetectionId,
    pub title: String,
    pub dedup: String,
    pub severity: Severity,
    pub status: AlertStatus,
    pub description: String,
    pub reference: String,
    pub runbook: String,
    /// JSON text.
    pub context: Option<String>,
    pub log_types: Vec<LogType>,
    /// Matches in the window.
    pub event_count: u64,
    pub threshold: u64,
    pub visible: bool,
    /// When the threshold was crossed, in microseconds since 1970; for an alert not yet visible, of the first match.
    pub created_micros: i64,
    pub updated_micros: i64,
}

impl Alert {
    #[must_use]
    pub fn created(&self) -> Timestamp {
        Timestamp::from_micros(self.created_micros)
    }

    #[must_use]
    pub fn updated(&self) -> Timestamp {
        Timestamp::from_micros(self.updated_micros)
    }
}

/// An alert to be delivered to a destination: a row of the outbox, written in the transaction that makes the alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    pub alert: AlertId,
    pub destination: DestinationId,
}

/// What matches share to be one alert.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WindowKey {
    pub detection: DetectionId,
    pub dedup: String,
    pub kind_is_error: bool,
}

/// The newest dedup window of a key. It opens with its first match and does not slide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    pub key: WindowKey,
    /// The sealed time of the batch whose match opened it, in microseconds since 1970.
    pub start_micros: i64,
    pub alert: AlertId,
    pub count: u64,
    /// Distinct `unique()` values so far, in the alerting crate's own encoding; empty when matches are counted.
    pub uniques: Vec<u8>,
}
