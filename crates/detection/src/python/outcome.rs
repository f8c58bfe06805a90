//! What goes into the engine and what comes out of it.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uncia_model::{DetectionError, DetectionId, LogType, Match};

use super::protocol::Counts;
use crate::simple::NotAnAddress;

/// Events of one log type in their normal form, as JSON.
#[derive(Clone, Debug)]
pub struct EventBatch {
    pub log_type: LogType,
    pub events: Vec<Bytes>,
}

/// What the detections of the batch's log type say; ordered by event, then by the program's order of detections.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    pub matches: Vec<Match>,
    /// A detection that cannot be loaded or is quarantined is reported once a batch, at event 0.
    pub errors: Vec<DetectionError>,
    pub stats: EvaluationStats,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EvaluationStats {
    /// Calls of `rule()`.
    pub calls: u64,
    /// Events that are no JSON objects.
    pub unreadable: u64,
    /// Workers that died.
    pub deaths: u64,
    /// Pairs of event and detection.
    pub pairs: u64,
    /// Of these: ruled out by the index, without a call.
    pub pruned: u64,
    /// Found false by the native evaluator, without a call.
    pub native_false: u64,
    /// Found true by it; `rule()` is called all the same.
    pub native_true: u64,
    /// Given up by it; Python decided.
    pub fallbacks: u64,
    /// Decided without Python and compared with it.
    pub shadowed: u64,
    /// Comparisons that differed: Python's answer stood.
    pub diverged: u64,
}

impl EvaluationStats {
    pub(crate) fn count(&mut self, counts: Counts) {
        let Counts { calls, unreadable, pairs, pruned, native_false, native_true, fallbacks, shadowed } = counts;
        self.add(&Self {
            calls,
            unreadable,
            pairs,
            pruned,
            native_false,
            native_true,
            fallbacks,
            shadowed,
            ..Self::default()
        });
    }

    /// Adds what another batch came to.
    pub fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.unreadable += other.unreadable;
        self.deaths += other.deaths;
        self.pairs += other.pairs;
        self.pruned += other.pruned;
        self.native_false += other.native_false;
        self.native_true += other.native_true;
        self.fallbacks += other.fallbacks;
        self.shadowed += other.shadowed;
        self.diverged += other.diverged;
    }
}

/// In one line: `2,580,000 pairs: 92.1 % ruled out, 6.0 % found false natively, …`.
impl fmt::Display for EvaluationStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |count: u64| 100.0 * count as f64 / self.pairs.max(1) as f64;
        write!(
            f,
            "{} pairs of event and detection: {:.2} % ruled out by the index, {:.2} % decided natively ({} true), {:.2} % left to Python; {} calls, {} compared, {} differed",
            self.pairs,
            share(self.pruned),
            share(self.native_false + self.native_true),
            self.native_true,
            share(self.pairs.saturating_sub(self.pruned + self.native_false + self.native_true)),
            self.calls,
            self.shadowed + self.native_true,
            self.diverged,
        )
    }
}

/// One unit test of one detection.
#[derive(Clone, Debug, Serialize)]
pub struct TestCase {
    pub detection: DetectionId,
    /// The event or resource, as JSON text.
    #[serde(skip)]
    pub event: Bytes,
    pub mocks: Vec<Mock>,
}

/// Replaces an attribute of the detection's module by `MagicMock(return_value=…)` for one test.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mock {
    pub object: String,
    pub value: serde_json::Value,
}

/// What all functions of a detection did with a test's event.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TestOutcome {
    /// Why nothing ran: the module cannot be loaded, a mocked attribute does not exist, the worker died.
    pub setup_error: Option<FunctionError>,
    /// What `rule()` or `policy()` returned, if it returned a bool.
    pub output: Option<bool>,
    /// Whether an alert would follow: `rule()` is true, `policy()` is false.
    pub alerts: bool,
    /// The matcher first, then title, description, reference, severity, runbook, destinations, dedup, `alert_context`, unique.
    pub functions: Vec<FunctionOutcome>,
    /// What was printed.
    pub stdout: String,
}

/// One function of a detection: its final value, defaults applied, and the exception it raised.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FunctionOutcome {
    pub name: String,
    pub defined: bool,
    /// Text, list of destination ids (`["SKIP"]` for none), or the JSON text of the alert context.
    pub output: Option<serde_json::Value>,
    pub error: Option<FunctionError>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionError {
    /// Exception class.
    pub exception: String,
    /// `str(exc)`.
    pub message: String,
    /// `file.py, line N, in fn` of the last frame, empty without a traceback.
    pub place: String,
}

impl FunctionError {
    /// What a filter raises, in Python's words.
    pub(crate) fn of_filter(error: &NotAnAddress) -> Self {
        Self { exception: "ValueError".to_owned(), message: error.to_string(), place: "InlineFilters".to_owned() }
    }
}

/// In one line: `KeyError: 'x' (rule.py, line 3, in rule)`.
impl fmt::Display for FunctionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.exception)?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        if self.place.is_empty() { Ok(()) } else { write!(f, " ({})", self.place) }
    }
}

impl TestOutcome {
    /// The outcome of one function by its name.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&FunctionOutcome> {
        self.functions.iter().find(|function| function.name == name)
    }
}
