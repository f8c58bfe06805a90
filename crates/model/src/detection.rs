//! What detections say of events.

use serde::{Deserialize, Serialize};

use crate::DetectionId;

/// How bad it is. Text form in content: `Info`, `Low`, …; in tables and answers: `INFO`, `LOW`, ….
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    pub const ALL: [Self; 5] = [Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Low => "LOW",
            Self::Medium => "MEDIUM",
            Self::High => "HIGH",
            Self::Critical => "CRITICAL",
        }
    }

    /// Reads any spelling of case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.as_str().eq_ignore_ascii_case(text))
    }
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// An event for which a detection returned true, with what its functions said.
///
/// Texts are final: defaults applied, truncated. `event` is the index into the batch that was evaluated.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    pub event: usize,
    pub detection: DetectionId,
    pub title: String,
    pub dedup: String,
    pub severity: Severity,
    pub description: String,
    pub reference: String,
    pub runbook: String,
    /// What `destinations()` said: `None` = normal routing, an empty list = no delivery.
    pub destinations: Option<Vec<String>>,
    /// JSON text, if the detection gave one.
    pub alert_context: Option<String>,
    /// The value of `unique()`: the threshold then counts distinct values.
    pub unique: Option<String>,
}

/// A detection that could not judge an event; lands in `rule_errors` and, deduplicated, becomes an alert.
#[derive(Clone, Debug, PartialEq)]
pub struct DetectionError {
    pub event: usize,
    pub detection: DetectionId,
    pub kind: DetectionErrorKind,
    /// Exception class, e.g. `KeyError`; it is also the error alert's dedup string.
    pub exception: String,
    /// `str(exc): file.py, line N, in fn …`
    pub message: String,
}

/// What went wrong with a detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DetectionErrorKind {
    /// Import failed or a function is missing: every run gives this error.
    Setup,
    /// `rule()` raised.
    Raised,
    /// `rule()` returned something else than a bool.
    NonBool,
    /// The time limit passed.
    Timeout,
    /// Its process died.
    Crash,
    /// It ran out of its memory limit.
    Memory,
}

impl DetectionErrorKind {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::Raised => "raised",
            Self::NonBool => "non_bool",
            Self::Timeout => "timeout",
            Self::Crash => "crash",
            Self::Memory => "memory",
        }
    }
}
