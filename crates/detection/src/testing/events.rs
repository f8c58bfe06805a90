//! Unit tests judged the way events are: in batches, by the rule index and the native evaluator if the engine uses them.
//!
//! A unit test calls every function of its detection in Python, whatever the engine's mode, so that it says nothing of what is
//! decided without Python. Here the same events go through [`Engine::evaluate`]. Tests with mocks cannot: a mock is no
//! part of an event.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;
use uncia_model::{DetectionId, LogType};

use crate::content::Content;
use crate::spec::AnalysisType;
use crate::{Engine, EvaluationStats, EventBatch};

/// What the engine says of the events of unit tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestsAsEvents {
    /// By rule and test (from 0): whether it matched, and whether the test expects so.
    pub verdicts: BTreeMap<(DetectionId, usize), (bool, bool)>,
    pub stats: EvaluationStats,
}

impl TestsAsEvents {
    /// Verdicts that are as expected.
    #[must_use]
    pub fn as_expected(&self) -> usize {
        self.verdicts.values().filter(|(matched, expected)| matched == expected).count()
    }

    /// The tests of which the other says something else.
    #[must_use]
    pub fn differing(&self, other: &Self) -> Vec<String> {
        let differs = |key: &&(DetectionId, usize)| self.verdicts.get(*key) != other.verdicts.get(*key);
        self.verdicts.keys().filter(differs).map(|(id, test)| format!("{id} test {test}")).collect()
    }
}

/// Judges the events of all rules' unit tests; the engine must have been started with the same content, its rules enabled.
pub async fn tests_as_events(content: &Content, engine: &Engine) -> TestsAsEvents {
    type Batch = (Vec<Bytes>, Vec<(DetectionId, usize, bool)>);
    let mut batches: BTreeMap<LogType, Batch> = BTreeMap::new();
    for rule in content.rules.iter().filter(|rule| rule.analysis_type == AnalysisType::Rule) {
        for (number, test) in rule.tests.iter().enumerate().filter(|(_, test)| test.mocks.is_empty()) {
            let Some(log_type) = log_type_of(&test.event, &rule.log_types) else { continue };
            let (events, tests) = batches.entry(log_type).or_default();
            events.push(test.event.clone());
            tests.push((rule.id.clone(), number, test.expected));
        }
    }
    let mut judged = TestsAsEvents::default();
    for (log_type, (events, tests)) in batches {
        let evaluation = engine.evaluate(EventBatch { log_type, events }).await;
        judged.stats.add(&evaluation.stats);
        let matched = |place: usize, id: &DetectionId| {
            evaluation.matches.iter().any(|matched| matched.event == place && matched.detection == *id)
        };
        for (place, (id, number, expected)) in tests.into_iter().enumerate() {
            let verdict = (matched(place, &id), expected);
            judged.verdicts.insert((id, number), verdict);
        }
    }
    judged
}

/// The log type a test's event says it has, if the rule is for it; else the rule's first.
fn log_type_of(event: &[u8], log_types: &[LogType]) -> Option<LogType> {
    let event: Value = serde_json::from_slice(event).ok()?;
    let said = event.as_object()?.get("p_log_type").and_then(Value::as_str);
    let own = log_types.iter().find(|log_type| Some(log_type.as_str()) == said);
    own.or(log_types.first()).cloned()
}
