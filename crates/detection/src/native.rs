//! What the main process judges itself: rules in YAML alone, and the inline filters of Python rules.
//!
//! Filters come first, as the contract has it: a worker is told which pairs of event and detection they have decided, and
//! does not ask the detection.

use std::collections::HashMap;
use std::sync::Arc;

use uncia_document::{Document, Interner, Parser, Ref};
use uncia_model::{DetectionError, DetectionErrorKind, DetectionId, LogType};

use crate::python::{DetectionKind, EventBatch, Found, Program, SimpleDetection, TestOutcome};
use crate::simple::{Expression, NotAnAddress, filter_passes};
use crate::{FunctionError, ProgramDetection};

/// The simple rules and the filters of a program.
pub(crate) struct Native {
    tables: HashMap<LogType, Arc<Table>>,
    simple: HashMap<DetectionId, SimpleDetection>,
    interner: Arc<Interner>,
}

/// Those of one log type.
#[derive(Default)]
struct Table {
    /// With their places, which follow those of the Python detections.
    simple: Vec<(u32, SimpleDetection)>,
    filters: Vec<(u32, DetectionId, Arc<[Expression]>)>,
}

/// What was decided without Python.
#[derive(Default)]
pub(crate) struct NativelyJudged {
    pub(crate) found: Vec<(u32, Found)>,
    /// Pairs of event and detection that need not be asked, ascending.
    pub(crate) rejected: Vec<(u32, u32)>,
}

impl Native {
    pub(crate) fn new(program: &Program) -> Self {
        let mut tables: HashMap<LogType, Table> = HashMap::new();
        for (index, detection) in (0..).zip(&program.detections) {
            let ProgramDetection { id, kind, enabled, filters, log_types, .. } = detection;
            if !enabled || *kind == DetectionKind::Policy || filters.is_empty() {
                continue;
            }
            for log_type in log_types {
                tables.entry(log_type.clone()).or_default().filters.push((index, id.clone(), filters.clone()));
            }
        }
        for (index, detection) in (program.detections.len() as u32..).zip(&program.simple) {
            if !detection.enabled || detection.kind == DetectionKind::Policy {
                continue;
            }
            for log_type in &detection.log_types {
                tables.entry(log_type.clone()).or_default().simple.push((index, detection.clone()));
            }
        }
        Self {
            tables: tables.into_iter().map(|(log_type, table)| (log_type, Arc::new(table))).collect(),
            simple: program.simple.iter().map(|detection| (detection.id.clone(), detection.clone())).collect(),
            interner: Interner::new(),
        }
    }

    /// Judges a batch; events are parsed only where something is to be judged.
    pub(crate) async fn judge(&self, batch: &EventBatch) -> NativelyJudged {
        let Some(table) = self.tables.get(&batch.log_type).cloned() else { return NativelyJudged::default() };
        let (events, interner) = (batch.events.clone(), self.interner.clone());
        let judging = tokio::task::spawn_blocking(move || {
            let mut parser = Parser::new(interner);
            let mut judged = NativelyJudged::default();
            for (place, event) in events.iter().enumerate() {
                // What is no JSON object is counted where Python would judge it.
                let Ok(document) = parser.parse(event) else { continue };
                if document.root().is_object() {
                    table.judge(place, document.root(), &mut judged);
                }
            }
            judged
        });
        judging.await.expect("judging match expressions does not panic")
    }

    pub(crate) fn simple(&self, id: &DetectionId) -> Option<&SimpleDetection> {
        self.simple.get(id)
    }

    /// Runs a unit test of a simple rule.
    pub(crate) fn test(&self, detection: &SimpleDetection, event: &[u8]) -> Result<TestOutcome, String> {
        let document = self.parse(event)?;
        Ok(detection.logic.outcome(&detection.filters, document.root(), detection.facts()))
    }

    /// What filters make of a Python rule's unit test: all functions have run, and their say is the last.
    pub(crate) fn filtered(&self, filters: &[Expression], event: &[u8], mut outcome: TestOutcome) -> TestOutcome {
        let Ok(document) = self.parse(event) else { return outcome };
        let decided = match filter_passes(filters, document.root()) {
            Ok(true) => return outcome,
            Ok(false) => (Some(false), None),
            Err(error) => (None, Some(FunctionError::of_filter(&error))),
        };
        (outcome.output, outcome.alerts) = (decided.0, false);
        if let Some(rule) = outcome.functions.first_mut() {
            rule.output = decided.0.map(Into::into);
            rule.error = decided.1;
        }
        outcome
    }

    fn parse(&self, event: &[u8]) -> Result<Document, String> {
        Parser::new(self.interner.clone()).parse(event).map_err(|error| error.to_string())
    }
}

impl Table {
    fn judge(&self, place: usize, event: Ref<'_>, judged: &mut NativelyJudged) {
        let refused = |id: &DetectionId, error: &NotAnAddress| {
            let FunctionError { exception, message, place: where_ } = FunctionError::of_filter(error);
            Found::Error(DetectionError {
                event: place,
                detection: id.clone(),
                kind: DetectionErrorKind::Raised,
                exception,
                message: format!("{message}: {where_}"),
            })
        };
        for (index, id, filters) in &self.filters {
            match filter_passes(filters, event) {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => judged.found.push((*index, refused(id, &error))),
            }
            judged.rejected.push((place as u32, *index));
        }
        for (index, detection) in &self.simple {
            match filter_passes(&detection.filters, event) {
                Ok(true) if detection.logic.holds(event) => {
                    let matched = detection.logic.matched(place, event, detection.facts());
                    judged.found.push((*index, Found::Match(Box::new(matched))));
                }
                Ok(_) => {}
                Err(error) => judged.found.push((*index, refused(&detection.id, &error))),
            }
        }
    }
}
