//! `uncia conformance --through-schemas`: unit tests on events that have been through their log type's schema.
//!
//! The events of public unit tests were events before, abbreviated: without their `p_` fields they stand for the record.
//! What the schema makes of it, with the test's own `p_` fields laid over it, is what the detection gets. A verdict that
//! differs from the one on the event as written is a fault of the schema, or a test that no real event could meet.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use serde_json::{Map, Value as Json};
use uncia_detection::{AnalysisType, Content};
use uncia_document::Interner;
use uncia_model::{Clock as _, LogType, Origin, Payload, Record, SystemClock, fields};
use uncia_processing::{Processed, Processor, SchemaSet};

/// What came of the events.
#[derive(Debug, Default)]
pub(crate) struct Passage {
    pub(crate) events: usize,
    /// Events that no schema took, with the reason; their tests run on them as written.
    pub(crate) refused: Vec<String>,
}

/// Replaces the events of all rules' tests.
pub(crate) fn pass(content: &mut Content, schemas: SchemaSet) -> Result<Passage> {
    let schemas = Arc::new(schemas);
    let mut processor = Processor::relaxed(schemas.clone(), Interner::new());
    let mut passage = Passage::default();
    for rule in content.rules.iter_mut().filter(|rule| rule.analysis_type == AnalysisType::Rule) {
        for test in &mut rule.tests {
            let event: Json = serde_json::from_slice(&test.event).context("the event of a unit test")?;
            let Json::Object(event) = event else { continue };
            let (own, record): (Map<_, _>, Map<_, _>) = event.into_iter().partition(|(name, _)| name.starts_with("p_"));
            passage.events += 1;
            // Some tests name a type that nobody has; the rule's own are meant.
            let named = own.get(fields::LOG_TYPE).and_then(Json::as_str).map(LogType::new);
            let named = named.filter(|log_type| schemas.get(log_type).is_some());
            let log_types = named.map_or_else(|| rule.log_types.clone(), |log_type| vec![log_type]);
            match normal_form(&mut processor, record, log_types) {
                Ok(mut normal) => {
                    normal.extend(own);
                    test.event = serde_json::to_vec(&normal)?.into();
                }
                Err(reason) => passage.refused.push(format!("{} / {}: {reason}", rule.id, test.name)),
            }
        }
    }
    Ok(passage)
}

fn normal_form(
    processor: &mut Processor,
    record: Map<String, Json>,
    log_types: Vec<LogType>,
) -> Result<Map<String, Json>, String> {
    let now = SystemClock.now();
    let bytes = Bytes::from(Json::Object(record).to_string());
    let origin = Origin { source: "test".into(), source_label: "test".into(), key: "test".into(), place: None };
    let payload = Payload { origin, bytes: bytes.clone(), received: now, log_types, head: None };
    let mut processed = Processed::default();
    processor.process(Record::alone(0, bytes), &payload, now, &mut processed);
    match (processed.events.pop(), processed.failures.pop()) {
        (Some(event), _) => serde_json::from_str(&event.document.to_json()).map_err(|error| error.to_string()),
        (None, failure) => Err(failure.map_or_else(String::new, |failure| failure.message)),
    }
}
