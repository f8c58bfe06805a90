//! Runs tests on an engine, several at a time, and judges them.

use std::collections::HashMap;

use futures::StreamExt as _;
use uncia_model::DetectionId;

use super::filter::Filter;
use super::report::{DetectionReport, DetectionState, TestReport, TestResult, Verdict};
use super::verdict;
use crate::content::{Content, Weight};
use crate::spec::{Logic, RuleSpec, TestSpec};
use crate::{CorrelationRule, Engine, TestCase, TestOutcome};

/// What to test and what to ask of it.
#[derive(Clone, Debug)]
pub struct TestOptions {
    /// All must admit a detection.
    pub filters: Vec<Filter>,
    /// Detections with fewer tests fail; above 1, one test must expect true and one false.
    pub minimum_tests: usize,
    /// Only tests with these names, if there are any.
    pub names: Vec<String>,
    pub skip_disabled: bool,
    /// Tests under way at a time.
    pub at_once: usize,
}

impl Default for TestOptions {
    fn default() -> Self {
        Self { filters: Vec::new(), minimum_tests: 0, names: Vec::new(), skip_disabled: false, at_once: 16 }
    }
}

/// How far a run is, in tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub done: usize,
    pub total: usize,
}

/// Runs every test that the options admit. The engine must have been started with the same content.
pub async fn test_content(
    content: &Content,
    engine: &Engine,
    options: &TestOptions,
    progress: &(dyn Fn(Progress) + Sync),
) -> TestReport {
    let admitted = |rule: &&RuleSpec| {
        options.filters.iter().all(|filter| filter.admits(rule)) && (rule.enabled || !options.skip_disabled)
    };
    let rules: Vec<&RuleSpec> = content.rules.iter().filter(admitted).collect();
    let cases: Vec<Case<'_>> = rules.iter().flat_map(|rule| cases(rule, options)).collect();
    let total = cases.len();
    let mut outcomes = Vec::with_capacity(total);
    let mut running = futures::stream::iter(cases).map(|case| run_case(engine, case)).buffered(options.at_once.max(1));
    while let Some(outcome) = running.next().await {
        outcomes.push(outcome);
        progress(Progress { done: outcomes.len(), total });
    }
    drop(running);

    let mut outcomes = outcomes.into_iter();
    let unloadable = engine.setup_errors().into_iter().map(|(id, error)| (id, error.to_string())).collect();
    let detections = rules.into_iter().map(|rule| report_of(rule, &mut outcomes, &unloadable, options)).collect();
    let by_filter = |rule: &&RuleSpec| options.filters.iter().all(|filter| filter.admits(rule));
    let disabled = content.rules.iter().filter(by_filter).filter(|rule| !rule.enabled && options.skip_disabled).count();
    let skipped = disabled + content.without_base;
    let mut report = TestReport { detections, problems: content.problems.clone(), skipped };
    mark_invalid(&mut report);
    report
}

fn chosen<'a>(rule: &'a RuleSpec, options: &'a TestOptions) -> impl Iterator<Item = (usize, &'a TestSpec)> {
    let wanted = |test: &TestSpec| options.names.is_empty() || options.names.contains(&test.name);
    rule.tests.iter().enumerate().filter(move |(_, test)| wanted(test))
}

/// A test and who runs it.
enum Case<'a> {
    Engine(TestCase),
    Correlation(&'a CorrelationRule, &'a TestSpec),
}

fn cases<'a>(rule: &'a RuleSpec, options: &'a TestOptions) -> impl Iterator<Item = Case<'a>> {
    chosen(rule, options).map(|(_, test)| match &rule.logic {
        Logic::Correlation(correlation) => Case::Correlation(correlation, test),
        Logic::Python(_) | Logic::Simple(_) => {
            let (event, mocks) = (test.event.clone(), test.mocks.clone());
            Case::Engine(TestCase { detection: rule.id.clone(), event, mocks })
        }
    })
}

async fn run_case(engine: &Engine, case: Case<'_>) -> TestOutcome {
    match case {
        Case::Engine(case) => engine.run_test(case).await,
        Case::Correlation(rule, test) => rule.test(&test.correlation.clone().unwrap_or_default()),
    }
}

fn report_of(
    rule: &RuleSpec,
    outcomes: &mut impl Iterator<Item = TestOutcome>,
    unloadable: &HashMap<DetectionId, String>,
    options: &TestOptions,
) -> DetectionReport {
    let mut tests = Vec::new();
    for (index, test) in chosen(rule, options) {
        let outcome = outcomes.next().unwrap_or_default();
        let failed = verdict::failures(rule.analysis_type, test, &outcome);
        let verdict = if failed.is_empty() { Verdict::Passed } else { Verdict::Failed(failed) };
        let (name, expected) = (test.name.clone(), test.expected);
        tests.push(TestResult { name, index, expected, verdict, outcome: Some(outcome) });
    }
    let state = state_of(rule, &tests, unloadable, options);
    DetectionReport {
        id: rule.id.clone(),
        analysis_type: rule.analysis_type,
        log_types: rule.log_types.clone(),
        file: rule.file.clone(),
        state,
        tests,
    }
}

fn state_of(
    rule: &RuleSpec,
    tests: &[TestResult],
    unloadable: &HashMap<DetectionId, String>,
    options: &TestOptions,
) -> DetectionState {
    if let Some(error) = unloadable.get(&rule.id) {
        return DetectionState::Invalid(error.clone());
    }
    let complaints = too_few(rule, options);
    if complaints.is_empty() && tests.iter().all(|test| test.verdict == Verdict::Passed) {
        return DetectionState::Passed;
    }
    DetectionState::Failed(complaints)
}

fn too_few(rule: &RuleSpec, options: &TestOptions) -> Vec<String> {
    let (has, wanted) = (rule.tests.len(), options.minimum_tests);
    let mut complaints = Vec::new();
    if has < wanted {
        complaints.push(format!("has {has} of at least {wanted} tests"));
    }
    if wanted > 1 && !rule.tests.iter().any(|test| test.expected) {
        complaints.push("has no test that expects true".to_owned());
    }
    if wanted > 1 && !rule.tests.iter().any(|test| !test.expected) {
        complaints.push("has no test that expects false".to_owned());
    }
    complaints
}

/// A detection that works although its file is not valid is no success.
fn mark_invalid(report: &mut TestReport) {
    let problems: Vec<_> = report.problems.iter().filter(|problem| problem.weight == Weight::Invalid).collect();
    for detection in &mut report.detections {
        let problem = problems.iter().find(|problem| problem.file == detection.file);
        if let (DetectionState::Passed, Some(problem)) = (&detection.state, problem) {
            detection.state = DetectionState::Invalid(problem.message.clone());
        }
    }
}
