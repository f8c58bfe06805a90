//! A test as a machine reads it: one object a test.

use serde::Serialize;
use serde_json::Value;
use uncia_model::{DetectionId, LogType};

use super::report::{DetectionReport, TestReport, TestResult, Verdict};
use crate::{FunctionError, TestOutcome};

#[derive(Clone, Debug, Serialize)]
pub struct TestRow<'a> {
    pub detection: &'a DetectionId,
    pub analysis_type: &'static str,
    pub log_types: &'a [LogType],
    pub test: &'a str,
    /// From 0, in the order of the file.
    pub test_index: usize,
    pub expected: bool,
    pub passed: bool,
    /// False: it could not run, and is not passed.
    pub ran: bool,
    pub result: TestRowResult<'a>,
}

/// What the detection's functions said, all of which run in a test.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TestRowResult<'a> {
    /// What `rule()` or `policy()` returned.
    pub matched: Option<bool>,
    pub title: Option<&'a Value>,
    pub dedup: Option<&'a Value>,
    pub severity: Option<&'a Value>,
    pub description: Option<&'a Value>,
    pub reference: Option<&'a Value>,
    pub runbook: Option<&'a Value>,
    pub destinations: Option<&'a Value>,
    /// An object.
    pub alert_context: Option<Value>,
    pub errors: Vec<TestRowError<'a>>,
}

#[derive(Clone, Debug, Serialize)]
pub struct TestRowError<'a> {
    /// The function that raised; null if nothing ran.
    pub function: Option<&'a str>,
    pub exception: &'a str,
    pub message: &'a str,
    pub place: &'a str,
}

impl TestReport {
    /// All tests, detection by detection.
    pub fn rows(&self) -> impl Iterator<Item = TestRow<'_>> {
        self.detections.iter().flat_map(|detection| detection.tests.iter().map(|test| row(detection, test)))
    }
}

fn row<'a>(detection: &'a DetectionReport, test: &'a TestResult) -> TestRow<'a> {
    let result = test.outcome.as_ref().map(result).unwrap_or_default();
    TestRow {
        detection: &detection.id,
        analysis_type: detection.analysis_type.as_str(),
        log_types: &detection.log_types,
        test: &test.name,
        test_index: test.index,
        expected: test.expected,
        passed: test.verdict == Verdict::Passed,
        ran: test.ran(),
        result,
    }
}

fn result(outcome: &TestOutcome) -> TestRowResult<'_> {
    let said = |name: &str| outcome.function(name).and_then(|function| function.output.as_ref());
    let context = match said("alert_context") {
        Some(Value::String(text)) => serde_json::from_str(text).ok(),
        other => other.cloned(),
    };
    let mut errors: Vec<TestRowError<'_>> = outcome.setup_error.iter().map(|problem| error(None, problem)).collect();
    for function in &outcome.functions {
        errors.extend(function.error.iter().map(|problem| error(Some(&function.name), problem)));
    }
    TestRowResult {
        matched: outcome.output,
        title: said("title"),
        dedup: said("dedup"),
        severity: said("severity"),
        description: said("description"),
        reference: said("reference"),
        runbook: said("runbook"),
        destinations: said("destinations"),
        alert_context: context,
        errors,
    }
}

fn error<'a>(function: Option<&'a str>, error: &'a FunctionError) -> TestRowError<'a> {
    TestRowError { function, exception: &error.exception, message: &error.message, place: &error.place }
}
