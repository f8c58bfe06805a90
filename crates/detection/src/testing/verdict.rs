//! Whether a test passes.
//!
//! As Panther's tool judges: where the expected result is the one that alerts, the detection must alert and none of its
//! functions may fail; otherwise only what `rule()` or `policy()` returned counts, and what the other functions do with an
//! event that makes no alert is their own affair.

use serde_json::Value;

use crate::TestOutcome;
use crate::spec::{AnalysisType, TestSpec};

/// Raised when `destinations()` names what is not configured; tests do not know the destinations.
const UNKNOWN_DESTINATION: &str = "UnknownDestinationError";
/// What `destinations()` gives for "deliver nowhere".
const SKIP: &str = "SKIP";

/// Names the functions that fail the test; empty means passed.
pub(super) fn failures(kind: AnalysisType, test: &TestSpec, outcome: &TestOutcome) -> Vec<String> {
    let matcher = if kind == AnalysisType::Policy { "policy" } else { "rule" };
    if outcome.setup_error.is_some() {
        return vec![matcher.to_owned()];
    }
    let alerting = kind != AnalysisType::Policy;
    let mut failed = Vec::new();
    if outcome.output != Some(test.expected) {
        failed.push(matcher.to_owned());
    }
    if test.expected == alerting {
        let broken = outcome.functions.iter().filter(|function| {
            function.error.as_ref().is_some_and(|error| error.exception != UNKNOWN_DESTINATION)
                && function.name != matcher
        });
        failed.extend(broken.map(|function| function.name.clone()));
        if !outcome.alerts && failed.is_empty() {
            failed.push(matcher.to_owned());
        }
    }
    if !destinations_hold(test, outcome) {
        failed.push("destinations".to_owned());
    }
    failed
}

fn destinations_hold(test: &TestSpec, outcome: &TestOutcome) -> bool {
    let Some(expected) = &test.expected_destinations else { return true };
    let found = outcome.function("destinations");
    if found.is_some_and(|function| function.error.is_some()) {
        return true;
    }
    let mut actual: Vec<&str> = match found.and_then(|function| function.output.as_ref()) {
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).filter(|id| *id != SKIP).collect(),
        _ => return true,
    };
    actual.sort_unstable();
    actual == *expected
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FunctionError, FunctionOutcome};

    fn outcome(output: Option<bool>, alerts: bool, broken: &[(&str, &str)]) -> TestOutcome {
        let functions = broken.iter().map(|(name, exception)| FunctionOutcome {
            name: (*name).to_owned(),
            defined: true,
            error: Some(FunctionError { exception: (*exception).to_owned(), ..FunctionError::default() }),
            ..FunctionOutcome::default()
        });
        TestOutcome { output, alerts, functions: functions.collect(), ..TestOutcome::default() }
    }

    #[test]
    fn verdicts() {
        use AnalysisType::{Policy, Rule};
        let key_error = [("title", "KeyError")];
        for (kind, expected, outcome, failed) in [
            (Rule, true, outcome(Some(true), true, &[]), ""),
            (Rule, true, outcome(Some(true), true, &key_error), "title"),
            (Rule, true, outcome(Some(true), true, &[("destinations", UNKNOWN_DESTINATION)]), ""),
            (Rule, true, outcome(Some(false), false, &[]), "rule"),
            (Rule, true, outcome(None, false, &[("rule", "KeyError")]), "rule"),
            (Rule, false, outcome(Some(false), false, &key_error), ""),
            (Rule, false, outcome(Some(true), true, &[]), "rule"),
            (Rule, false, outcome(None, false, &[("rule", "TypeError")]), "rule"),
            (Policy, false, outcome(Some(false), true, &[]), ""),
            (Policy, false, outcome(Some(false), true, &key_error), "title"),
            (Policy, true, outcome(Some(true), false, &key_error), ""),
            (Policy, true, outcome(Some(false), true, &[]), "policy"),
        ] {
            let test = TestSpec {
                name: String::new(),
                line: 1,
                expected,
                event: bytes::Bytes::new(),
                correlation: None,
                mocks: Vec::new(),
                expected_destinations: None,
            };
            assert_eq!(failures(kind, &test, &outcome).join(" "), failed, "{kind} {expected} {outcome:?}");
        }
    }
}
