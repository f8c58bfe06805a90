//! A test run as a person reads it, in the shape that users of Panther's tool know.

use std::fmt::Write as _;

use serde_json::Value;

use super::report::{DetectionReport, DetectionState, TestReport, TestResult, Verdict};
use crate::FunctionOutcome;

/// How to write a report.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rendering {
    /// With ANSI colours.
    pub colour: bool,
    /// Leave out what passed.
    pub failures_only: bool,
}

impl Rendering {
    /// One detection with its tests; empty if nothing of it is to be shown.
    #[must_use]
    pub fn detection(self, detection: &DetectionReport) -> String {
        let mut text = String::new();
        if self.failures_only && !(detection.state.is_failed() || detection.state.is_invalid()) {
            return text;
        }
        line(&mut text, 0, detection.id.as_str());
        for test in &detection.tests {
            if !self.failures_only || test.verdict != Verdict::Passed {
                self.test(&mut text, test);
            }
        }
        match &detection.state {
            DetectionState::Passed if detection.tests.is_empty() => line(&mut text, 1, "no tests"),
            DetectionState::Failed(complaints) => {
                for complaint in complaints {
                    line(&mut text, 1, &format!("[{}] {complaint}", self.mark(false)));
                }
            }
            DetectionState::Invalid(reason) if !detection.tests.iter().any(|test| says(test, reason)) => {
                line(&mut text, 1, &format!("[{}] {reason}", self.paint("INVALID", 31)));
            }
            _ => {}
        }
        text.push('\n');
        text
    }

    fn test(self, text: &mut String, test: &TestResult) {
        let failed: &[String] = match &test.verdict {
            Verdict::Passed => &[],
            Verdict::Failed(functions) => functions,
        };
        line(text, 1, &format!("[{}] {}", self.mark(failed.is_empty()), test.name));
        let Some(outcome) = &test.outcome else { return };
        if let Some(error) = &outcome.setup_error {
            line(text, 2, &format!("[{}] {error}", self.mark(false)));
        }
        let printed = outcome.functions.iter().enumerate().filter(|(place, function)| *place == 0 || said(function));
        for (_, function) in printed {
            let mark = match (failed.contains(&function.name), &function.error) {
                (true, _) => self.mark(false),
                (false, None) => self.mark(true),
                // It raised, but what becomes of an event without an alert is no matter.
                (false, Some(_)) => self.paint("IGNORED", 33),
            };
            let name = if function.name == "alert_context" { "alertContext" } else { function.name.as_str() };
            line(text, 2, &format!("[{mark}] [{name}] {}", value(function)));
        }
    }

    /// What comes after the detections: what failed and is invalid, and the counts.
    #[must_use]
    pub fn summary(self, report: &TestReport, path: &str) -> String {
        let mut text = String::new();
        block(&mut text, "Failed Tests Summary", report.detections.iter().filter_map(failures));
        let invalid = report.detections.iter().filter_map(|detection| match &detection.state {
            DetectionState::Invalid(reason) => Some((detection.id.to_string(), reason.clone())),
            _ => None,
        });
        block(&mut text, "Invalid Tests Summary", invalid);
        let problems = report.problems.iter().map(|problem| (problem.to_string(), String::new()));
        block(&mut text, "Content Problems", problems);
        line(&mut text, 0, "--------------------------");
        line(&mut text, 0, "Test Summary");
        let count = report.count(DetectionState::is_passed);
        for (name, value) in [
            ("Path", path.to_owned()),
            ("Passed", count.to_string()),
            ("Skipped", report.skipped.to_string()),
            ("Failed", report.count(DetectionState::is_failed).to_string()),
            ("Invalid", report.invalid().to_string()),
        ] {
            line(&mut text, 1, &format!("{:<9}{value}", format!("{name}:")));
        }
        text
    }

    fn mark(self, holds: bool) -> String {
        if holds { self.paint("PASS", 32) } else { self.paint("FAIL", 31) }
    }

    fn paint(self, word: &str, colour: u8) -> String {
        if self.colour { format!("\u{1b}[{colour}m{word}\u{1b}[0m") } else { word.to_owned() }
    }
}

/// Whether a test already shows what keeps its detection from loading.
fn says(test: &TestResult, reason: &str) -> bool {
    let error = test.outcome.as_ref().and_then(|outcome| outcome.setup_error.as_ref());
    error.is_some_and(|error| error.to_string() == reason)
}

/// Whether a function other than the matcher has anything to show.
fn said(function: &FunctionOutcome) -> bool {
    function.error.is_some() || (function.defined && function.output.as_ref().is_some_and(|value| !value.is_null()))
}

fn value(function: &FunctionOutcome) -> String {
    if let Some(error) = &function.error {
        return error.to_string();
    }
    match &function.output {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}

/// The failed tests of a detection as `test:function`.
fn failures(detection: &DetectionReport) -> Option<(String, String)> {
    let DetectionState::Failed(complaints) = &detection.state else { return None };
    let mut failed: Vec<String> = complaints.clone();
    for test in &detection.tests {
        if let Verdict::Failed(functions) = &test.verdict {
            failed.extend(functions.iter().map(|function| format!("{}:{function}", test.name)));
        }
    }
    Some((detection.id.to_string(), failed.join(", ")))
}

fn block(text: &mut String, title: &str, entries: impl Iterator<Item = (String, String)>) {
    let mut entries = entries.peekable();
    if entries.peek().is_none() {
        return;
    }
    line(text, 0, "--------------------------");
    line(text, 0, title);
    for (name, detail) in entries {
        line(text, 1, &name);
        if !detail.is_empty() {
            line(text, 2, &detail);
        }
    }
    text.push('\n');
}

fn line(text: &mut String, depth: usize, words: &str) {
    let _ = writeln!(text, "{}{words}", "\t".repeat(depth));
}
