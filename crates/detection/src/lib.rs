//! Detections: from content on disk to matches of events.
//!
//! ```text
//! files ─content─▶ RuleSpec, globals, data models ─▶ Program ─engine─▶ matches and errors of events
//!                                      └─ tests ──────────────testing─▶ TestReport
//! ```
//!
//! `content` reads YAML and Python in the layout of panther-analysis into the structs of `spec`; one broken file never
//! stops the rest. `python` and `engine` run detections in worker processes of the system's `python3`; `simple` and `native`
//! judge rules in YAML alone, and inline filters, without them; `correlation` evaluates other rules' signals; `posture` holds an account's state against controls, `insight`
//! weighs what is known of one person. `testing` runs the unit tests that content carries. Nothing here knows of the lake or of alerts.

mod content;
mod correlation;
mod engine;
mod insight;
mod native;
mod posture;
mod python;
mod simple;
mod spec;
mod testing;

pub use content::{Content, ContentProblem, ContentRoot, Fingerprint, Weight};
pub use correlation::{Correlated, CorrelationRule, Member, Signal, instant};
pub use engine::{Engine, EngineConfig, EngineError, find_python};
pub use insight::{InsightPart, InsightSet, PartKind, Reason, RiskScore, Subject};
pub use posture::{
    Answer, Control, ControlSet, EvidenceRow, Finding, FixTemplate, FixTemplateError, FrameworkControl, Status,
};
pub use python::*;
pub use simple::{Expression, SimpleRule};
pub use spec::{
    AnalysisType, Cron, CronError, DataModelSpec, GlobalSpec, Logic, LookupSpec, OtherItem, QuerySpec, RuleSpec,
    Schedule, TestSpec, When,
};
pub use testing::{
    Conformance, DetectionReport, DetectionState, Filter, FilterError, Flip, Progress, Rendering, Tally, TestOptions,
    TestReport, TestResult, TestRow, TestRowError, TestRowResult, TestsAsEvents, Verdict, flip_expectations,
    test_content, tests_as_events,
};
