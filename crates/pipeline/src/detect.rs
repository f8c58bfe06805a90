//! Events to matches: each log type's events go to the engine as the bytes that rules see.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use uncia_alerting::Judged;
use uncia_detection::{Engine, EventBatch};
use uncia_document::Document;
use uncia_enrichment::Enricher;
use uncia_model::{DetectionError, Event, LogType, Match, SourceId};

use crate::enrich;

/// The engine, and the log types that it has detections for: events of others never become bytes again.
#[derive(Clone)]
pub struct Detections {
    pub engine: Arc<Engine>,
    pub log_types: HashSet<LogType>,
}

/// Events of one log type with what the detections said of them.
pub(crate) struct JudgedEvents {
    pub(crate) log_type: LogType,
    /// By which matches and errors name them.
    pub(crate) events: Vec<Event>,
    pub(crate) matches: Vec<Match>,
    pub(crate) errors: Vec<DetectionError>,
}

impl JudgedEvents {
    pub(crate) fn judged(&self) -> Judged<'_> {
        Judged { log_type: &self.log_type, matches: &self.matches, errors: &self.errors }
    }

    /// Keeps only the events that something was said of; the documents of the others go to `spare`.
    pub(crate) fn keep_found(&mut self, spare: &mut Vec<Document>) {
        let named = self.matches.iter().map(|found| found.event).chain(self.errors.iter().map(|error| error.event));
        let mut kept: Vec<usize> = named.collect();
        kept.sort_unstable();
        kept.dedup();
        let place = |event: usize| kept.binary_search(&event).expect("all named events are kept");
        self.matches.iter_mut().for_each(|found| found.event = place(found.event));
        self.errors.iter_mut().for_each(|error| error.event = place(error.event));
        for (place, event) in std::mem::take(&mut self.events).into_iter().enumerate() {
            match kept.binary_search(&place) {
                Ok(_) => self.events.push(event),
                Err(_) => spare.push(event.document),
            }
        }
    }
}

/// Groups events by log type, keeping their order, in the order in which the types first appear.
pub(crate) fn by_log_type(events: Vec<Event>) -> Vec<JudgedEvents> {
    let mut groups: Vec<JudgedEvents> = Vec::new();
    for event in events {
        // Few log types a batch: a scan from the end finds the last one at once.
        match groups.iter_mut().rev().find(|group| group.log_type == event.log_type) {
            Some(group) => group.events.push(event),
            None => groups.push(JudgedEvents {
                log_type: event.log_type.clone(),
                events: vec![event],
                matches: Vec::new(),
                errors: Vec::new(),
            }),
        }
    }
    groups
}

impl Detections {
    /// Runs the detections over all groups. Never fails: what goes wrong is an error of a detection.
    pub(crate) async fn judge(&self, groups: &mut [JudgedEvents], enricher: &Enricher, source: &SourceId) {
        for group in groups {
            if !self.log_types.contains(&group.log_type) {
                continue;
            }
            let enricher = Some(enricher).filter(|enricher| enricher.concerns(&group.log_type));
            let events = group.events.iter().map(|event| rule_bytes(event, enricher, source)).collect();
            let part = EventBatch { log_type: group.log_type.clone(), events };
            let evaluation = self.engine.evaluate_part(part).await;
            group.matches = evaluation.matches;
            group.errors = evaluation.errors;
        }
    }
}

/// What rules see of an event.
fn rule_bytes(event: &Event, enricher: Option<&Enricher>, source: &SourceId) -> Bytes {
    let mut json = Vec::with_capacity(event.raw_bytes + event.raw_bytes / 2 + 512);
    event.document.write_json(&mut json);
    if let Some(enricher) = enricher {
        enrich::append(enricher, &event.log_type, source, event.document.root(), &mut json);
    }
    json.into()
}
