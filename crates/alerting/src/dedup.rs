//! Matches that share a detection and a dedup string within a window become one alert.
//!
//! A window opens with its first match and does not slide: matches join it until the detection's dedup period has passed
//! since its start. Time is the batch's sealed time, which the store keeps, so a replay after a crash admits the same
//! matches to the same alerts. An alert shows itself and is delivered once, in the moment its count reaches the threshold.
//!
//! [`Deduplicator::admit`] is a fold over single matches: how they were cut into batches of one sealed time is of no
//! consequence (a property test holds it to that).

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use uncia_model::limits::MAX_GENERATED_CHARS;
use uncia_model::{
    Alert, AlertId, AlertKind, AlertStatus, DetectionError, LogType, Match, NewDelivery, Severity, Window, WindowKey,
};

use crate::distinct::Distinct;
use crate::facts::{Facts, RuleFacts};
use crate::route::{Routes, Subject};

/// What the detections said of events of one log type.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'a> {
    pub log_type: &'a LogType,
    pub matches: &'a [Match],
    pub errors: &'a [DetectionError],
}

/// What one batch changes: rows for the store's transaction, and the alert of every match for the lake.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Admitted {
    pub windows: Vec<Window>,
    /// Alerts made or changed, as they are after the batch.
    pub alerts: Vec<Alert>,
    pub deliveries: Vec<NewDelivery>,
    /// One for each [`Judged`], in the order given.
    pub assigned: Vec<Assigned>,
}

/// The alerts that matches and errors joined, by their index.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assigned {
    /// `None`: the detection makes no alerts, the match is a signal only.
    pub matches: Vec<Option<AlertId>>,
    pub errors: Vec<AlertId>,
}

/// Admits matches to alerts.
#[derive(Debug)]
pub struct Deduplicator {
    facts: Facts,
    routes: Routes,
}

impl Deduplicator {
    #[must_use]
    pub fn new(facts: Facts, routes: Routes) -> Self {
        Self { facts, routes }
    }

    /// The window keys that [`Self::admit`] needs the store's windows of, each once and sorted.
    #[must_use]
    pub fn keys(&self, judged: &[Judged<'_>]) -> Vec<WindowKey> {
        let mut keys = HashSet::new();
        for judged in judged {
            let alerting = judged.matches.iter().filter(|found| self.facts_of_match(found).create_alert);
            keys.extend(alerting.map(match_key));
            keys.extend(judged.errors.iter().map(error_key));
        }
        let mut keys: Vec<_> = keys.into_iter().collect();
        keys.sort();
        keys
    }

    /// Admits a batch.
    ///
    /// `windows` are the store's newest windows of [`Self::keys`], `alerts` the alerts that those windows name.
    #[must_use]
    pub fn admit(
        &self,
        judged: &[Judged<'_>],
        windows: impl IntoIterator<Item = Window>,
        alerts: impl IntoIterator<Item = Alert>,
        sealed_micros: i64,
    ) -> Admitted {
        let mut fold = Fold {
            routes: &self.routes,
            sealed_micros,
            windows: windows.into_iter().map(|window| (window.key.clone(), OpenWindow::from(window))).collect(),
            alerts: alerts.into_iter().map(|alert| (alert.id.clone(), (alert, false))).collect(),
            deliveries: Vec::new(),
        };
        let assigned = judged.iter().map(|judged| self.admit_judged(*judged, &mut fold)).collect();
        fold.finish(assigned)
    }

    fn admit_judged(&self, judged: Judged<'_>, fold: &mut Fold<'_>) -> Assigned {
        let mut matches = vec![None; judged.matches.len()];
        // Workers answer in any order; the event's place in the batch decides which match is the window's first.
        let mut order: Vec<usize> = (0..judged.matches.len()).collect();
        order.sort_by_key(|&index| judged.matches[index].event);
        for index in order {
            let found = &judged.matches[index];
            let facts = self.facts_of_match(found);
            if !facts.create_alert {
                continue;
            }
            let fresh = |start_micros| alert_of_match(found, &facts, start_micros);
            let arrival = Arrival {
                key: match_key(found),
                facts: &facts,
                log_type: judged.log_type,
                threshold: facts.threshold.max(1),
                unique: found.unique.as_deref(),
                destinations: found.destinations.as_deref(),
            };
            matches[index] = Some(fold.admit(arrival, fresh));
        }

        let mut errors: Vec<Option<AlertId>> = vec![None; judged.errors.len()];
        let mut order: Vec<usize> = (0..judged.errors.len()).collect();
        order.sort_by_key(|&index| judged.errors[index].event);
        for index in order {
            let error = &judged.errors[index];
            let facts = self.facts_of_error(error);
            let fresh = |start_micros| alert_of_error(error, &facts, start_micros);
            let arrival = Arrival {
                key: error_key(error),
                facts: &facts,
                log_type: judged.log_type,
                threshold: 1,
                unique: None,
                destinations: None,
            };
            errors[index] = Some(fold.admit(arrival, fresh));
        }
        Assigned { matches, errors: errors.into_iter().flatten().collect() }
    }

    fn facts_of_match(&self, found: &Match) -> Cow<'_, RuleFacts> {
        self.facts.get(&found.detection).map_or_else(
            || Cow::Owned(RuleFacts::new(found.detection.clone(), found.severity)),
            |facts| Cow::Borrowed(facts.as_ref()),
        )
    }

    fn facts_of_error(&self, error: &DetectionError) -> Cow<'_, RuleFacts> {
        self.facts.get(&error.detection).map_or_else(
            || Cow::Owned(RuleFacts::new(error.detection.clone(), Severity::Medium)),
            |facts| Cow::Borrowed(facts.as_ref()),
        )
    }

    /// The longest time that a window of any detection stays open.
    #[must_use]
    pub fn longest_period_micros(&self) -> i64 {
        let default = RuleFacts::new(uncia_model::DetectionId::from(""), Severity::Medium).dedup_period_micros();
        self.facts.values().map(|facts| facts.dedup_period_micros()).fold(default, i64::max)
    }

    /// Where alerts go.
    #[must_use]
    pub const fn routes(&self) -> &Routes {
        &self.routes
    }

    /// The facts of a detection, for what lands beside the match in the lake.
    #[must_use]
    pub fn facts(&self, detection: &uncia_model::DetectionId) -> Option<&Arc<RuleFacts>> {
        self.facts.get(detection)
    }
}

/// A match or error on its way into a window.
struct Arrival<'a> {
    key: WindowKey,
    facts: &'a RuleFacts,
    log_type: &'a LogType,
    threshold: u64,
    unique: Option<&'a str>,
    destinations: Option<&'a [String]>,
}

/// A window whose distinct values are decoded.
struct OpenWindow {
    start_micros: i64,
    alert: AlertId,
    count: u64,
    /// `None` while no match has had a `unique()` value.
    distinct: Option<Distinct>,
    touched: bool,
}

impl From<Window> for OpenWindow {
    fn from(window: Window) -> Self {
        Self {
            start_micros: window.start_micros,
            alert: window.alert,
            count: window.count,
            distinct: (!window.uniques.is_empty()).then(|| Distinct::decode(&window.uniques)),
            touched: false,
        }
    }
}

impl OpenWindow {
    /// What the threshold is compared with.
    fn reached(&self) -> u64 {
        self.distinct.as_ref().map_or(self.count, Distinct::count)
    }
}

/// The state of windows and alerts between one match and the next.
struct Fold<'a> {
    routes: &'a Routes,
    sealed_micros: i64,
    windows: BTreeMap<WindowKey, OpenWindow>,
    /// Alerts, and whether this batch changed them.
    alerts: HashMap<AlertId, (Alert, bool)>,
    deliveries: Vec<NewDelivery>,
}

impl Fold<'_> {
    fn admit(&mut self, arrival: Arrival<'_>, fresh: impl FnOnce(i64) -> Alert) -> AlertId {
        let now = self.sealed_micros;
        let period = arrival.facts.dedup_period_micros();
        let open =
            self.windows.get(&arrival.key).is_some_and(|window| now.saturating_sub(window.start_micros) <= period);
        if !open {
            let kind = if arrival.key.kind_is_error { arrival.facts.error_kind() } else { arrival.facts.kind };
            let alert = AlertId::of(&arrival.key.detection, &arrival.key.dedup, kind.as_str(), now);
            let window = OpenWindow { start_micros: now, alert, count: 0, distinct: None, touched: true };
            self.windows.insert(arrival.key.clone(), window);
        }
        let window = self.windows.get_mut(&arrival.key).expect("the window was open or has just been opened");
        window.touched = true;
        window.count += 1;
        if let Some(value) = arrival.unique {
            window.distinct.get_or_insert_with(Distinct::new).insert(value);
        }

        let (alert, changed) = match self.alerts.entry(window.alert.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                place.insert((Alert { id: window.alert.clone(), ..fresh(window.start_micros) }, true))
            }
        };
        *changed = true;
        alert.event_count = window.count;
        alert.updated_micros = now;
        if !alert.log_types.contains(arrival.log_type) {
            alert.log_types.push(arrival.log_type.clone());
        }
        if !alert.visible && window.reached() >= arrival.threshold {
            alert.visible = true;
            alert.created_micros = now;
            let subject = Subject { kind: alert.kind, severity: alert.severity, log_types: &alert.log_types };
            let destinations = self.routes.of(subject, arrival.destinations, &arrival.facts.output_ids);
            let deliveries =
                destinations.into_iter().map(|destination| NewDelivery { alert: alert.id.clone(), destination });
            self.deliveries.extend(deliveries);
        }
        alert.id.clone()
    }

    fn finish(self, assigned: Vec<Assigned>) -> Admitted {
        let windows = self.windows.into_iter().filter(|(_, window)| window.touched);
        let windows = windows.map(|(key, window)| Window {
            key,
            start_micros: window.start_micros,
            alert: window.alert,
            count: window.count,
            uniques: window.distinct.map(|distinct| distinct.encode()).unwrap_or_default(),
        });
        let changed = self.alerts.into_values().filter_map(|(alert, changed)| changed.then_some(alert));
        let mut alerts: Vec<_> = changed.collect();
        alerts.sort_by(|a, b| a.id.cmp(&b.id));
        Admitted { windows: windows.collect(), alerts, deliveries: self.deliveries, assigned }
    }
}

fn match_key(found: &Match) -> WindowKey {
    WindowKey { detection: found.detection.clone(), dedup: found.dedup.clone(), kind_is_error: false }
}

fn error_key(error: &DetectionError) -> WindowKey {
    WindowKey { detection: error.detection.clone(), dedup: error.exception.clone(), kind_is_error: true }
}

/// The alert that a window's first match makes, still invisible.
fn alert_of_match(found: &Match, facts: &RuleFacts, start_micros: i64) -> Alert {
    let title = if found.title.is_empty() { facts.name.clone() } else { found.title.clone() };
    Alert {
        title,
        severity: found.severity,
        description: found.description.clone(),
        reference: found.reference.clone(),
        runbook: found.runbook.clone(),
        context: found.alert_context.clone(),
        ..blank(match_key(found), facts.kind, found.severity, facts.threshold.max(1), start_micros)
    }
}

fn alert_of_error(error: &DetectionError, facts: &RuleFacts, start_micros: i64) -> Alert {
    Alert {
        title: error_title(error),
        description: error.message.clone(),
        reference: facts.reference.clone(),
        runbook: facts.runbook.clone(),
        ..blank(error_key(error), facts.error_kind(), facts.severity, 1, start_micros)
    }
}

fn blank(key: WindowKey, kind: AlertKind, severity: Severity, threshold: u64, start_micros: i64) -> Alert {
    Alert {
        // Replaced by the window's own alert id.
        id: AlertId::from(""),
        kind,
        detection: key.detection,
        title: String::new(),
        dedup: key.dedup,
        severity,
        // Nobody triages what is told for information.
        status: if severity == Severity::Info { AlertStatus::Resolved } else { AlertStatus::Open },
        description: String::new(),
        reference: String::new(),
        runbook: String::new(),
        context: None,
        log_types: Vec::new(),
        event_count: 0,
        threshold,
        visible: false,
        created_micros: start_micros,
        updated_micros: start_micros,
    }
}

/// `KeyError('eventName')`, as Python would show the exception.
fn error_title(error: &DetectionError) -> String {
    let place = error.message.rfind(", line ").and_then(|line| error.message[..line].rfind(": "));
    let said = error.message[..place.unwrap_or(error.message.len())].trim();
    let quoted = said.starts_with(['\'', '"']) && said.len() > 1 && said.ends_with(&said[..1]);
    let title = if said.is_empty() {
        format!("{}()", error.exception)
    } else if quoted {
        format!("{}({said})", error.exception)
    } else if said.contains('\'') && !said.contains('"') {
        format!("{}(\"{said}\")", error.exception)
    } else {
        format!("{}('{}')", error.exception, said.replace('\'', "\\'"))
    };
    truncated(title)
}

/// Cuts a text to the limit of generated texts, saying so.
fn truncated(text: String) -> String {
    const MARK: &str = "... (truncated)";
    if text.len() <= MAX_GENERATED_CHARS || text.chars().count() <= MAX_GENERATED_CHARS {
        return text;
    }
    let kept: String = text.chars().take(MAX_GENERATED_CHARS - MARK.len()).collect();
    kept + MARK
}

#[cfg(test)]
mod tests;
