//! What detections would have found and raised, counted.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use uncia_alerting::{Deduplicator, Judged};
use uncia_model::{Alert, AlertId, DetectionError, DetectionId, LogType, Match, Severity, Window, WindowKey};

use super::HistoricMatch;

/// Different titles and errors that are counted one by one, of each detection; the others are counted together.
const DISTINCT: usize = 1_000;

/// What a run over history came to.
#[derive(Debug, Default, Serialize)]
pub struct Forecast {
    /// Events that were judged, by log type.
    pub events: BTreeMap<LogType, u64>,
    /// Pairs of event and detection.
    pub pairs: u64,
    /// Detections that matched or failed.
    pub detections: BTreeMap<DetectionId, OfDetection>,
    #[serde(skip)]
    windows: HashMap<WindowKey, (Window, Alert)>,
}

/// What one detection came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OfDetection {
    pub matches: u64,
    /// Alerts that it would have raised, by severity.
    pub alerts: BTreeMap<Severity, u64>,
    /// Groups by dedup string and window, whether they reached the threshold or not.
    pub groups: u64,
    /// Titles of these alerts, with how often.
    pub titles: BTreeMap<String, u64>,
    pub errors: u64,
    /// What they say, with how often.
    pub error_messages: BTreeMap<String, u64>,
}

impl OfDetection {
    #[must_use]
    pub fn alert_count(&self) -> u64 {
        self.alerts.values().sum()
    }
}

impl Forecast {
    #[must_use]
    pub fn event_count(&self) -> u64 {
        self.events.values().sum()
    }

    pub(super) fn fail(&mut self, error: &DetectionError) {
        let of = self.detections.entry(error.detection.clone()).or_default();
        of.errors += 1;
        count(&mut of.error_messages, &format!("{}: {}", error.exception, error.message));
    }

    /// Admits a match to its window as alerting does, at the event's time. Matches come in the order of time.
    pub(super) fn admit(&mut self, deduplicator: &Deduplicator, found: &HistoricMatch) {
        let HistoricMatch { time, log_type, matched, .. } = found;
        let of = self.detections.entry(matched.detection.clone()).or_default();
        of.matches += 1;
        let one = [Match { event: 0, ..matched.clone() }];
        let judged = [Judged { log_type, matches: &one, errors: &[] }];
        // None: the detection makes signals only.
        let Some(key) = deduplicator.keys(&judged).pop() else { return };
        let (window, alert) = self.windows.remove(&key).unzip();
        let before: Option<AlertId> = alert.as_ref().map(|alert| alert.id.clone());
        let was_visible = alert.as_ref().is_some_and(|alert| alert.visible);
        let admitted = deduplicator.admit(&judged, window, alert, time.micros);
        let (Some(window), Some(alert)) = (admitted.windows.into_iter().next(), admitted.alerts.into_iter().next())
        else {
            return;
        };
        let is_same = before.as_ref() == Some(&alert.id);
        of.groups += u64::from(!is_same);
        if alert.visible && !(is_same && was_visible) {
            *of.alerts.entry(alert.severity).or_default() += 1;
            count(&mut of.titles, &alert.title);
        }
        self.windows.insert(key, (window, alert));
    }

    /// Windows that opened before a time, and can take no more matches, are let go.
    pub(super) fn forget_windows_before(&mut self, micros: i64) {
        self.windows.retain(|_, (window, _)| window.start_micros >= micros);
    }
}

fn count(counts: &mut BTreeMap<String, u64>, text: &str) {
    if let Some(known) = counts.get_mut(text) {
        *known += 1;
        return;
    }
    let name = if counts.len() < DISTINCT { text } else { "(others)" };
    *counts.entry(name.to_owned()).or_default() += 1;
}
