//! Admitting, by example and by law.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use uncia_model::{DestinationId, DetectionErrorKind, DetectionId};

use super::*;
use crate::route::Route;

const MINUTE: i64 = 60_000_000;

fn found(event: usize, detection: &str, dedup: &str) -> Match {
    Match {
        event,
        detection: detection.into(),
        title: format!("title {event}"),
        dedup: dedup.into(),
        severity: Severity::High,
        description: String::new(),
        reference: String::new(),
        runbook: String::new(),
        destinations: None,
        alert_context: None,
        unique: None,
    }
}

fn rule(id: &str, threshold: u64, dedup_period_minutes: u32) -> RuleFacts {
    RuleFacts { threshold, dedup_period_minutes, ..RuleFacts::new(id.into(), Severity::Medium) }
}

fn deduplicator(rules: Vec<RuleFacts>) -> Deduplicator {
    let facts = rules.into_iter().map(|rule| (rule.id.clone(), Arc::new(rule))).collect();
    let soc = Route {
        id: "soc".into(),
        name: "SOC".into(),
        severities: vec![Severity::Medium, Severity::High],
        alert_types: Vec::new(),
        log_types: Vec::new(),
    };
    Deduplicator::new(facts, Routes::new(vec![soc]))
}

/// What the store holds between batches.
#[derive(Default)]
struct Stored {
    windows: HashMap<WindowKey, Window>,
    alerts: BTreeMap<AlertId, Alert>,
    deliveries: Vec<NewDelivery>,
}

impl Stored {
    fn admit(&mut self, dedup: &Deduplicator, minute: i64, matches: &[Match], errors: &[DetectionError]) -> Assigned {
        let log_type = LogType::from("AWS.CloudTrail");
        let judged = [Judged { log_type: &log_type, matches, errors }];
        let windows: Vec<_> = dedup.keys(&judged).iter().filter_map(|key| self.windows.get(key).cloned()).collect();
        let alerts: Vec<_> = windows.iter().map(|window| self.alerts[&window.alert].clone()).collect();
        let mut admitted = dedup.admit(&judged, windows, alerts, minute * MINUTE);
        self.windows.extend(admitted.windows.into_iter().map(|window| (window.key.clone(), window)));
        self.alerts.extend(admitted.alerts.into_iter().map(|alert| (alert.id.clone(), alert)));
        self.deliveries.append(&mut admitted.deliveries);
        admitted.assigned.remove(0)
    }

    fn only_alert(&self) -> &Alert {
        assert_eq!(self.alerts.len(), 1);
        self.alerts.values().next().unwrap()
    }
}

#[test]
fn the_window_does_not_slide() {
    let dedup = deduplicator(vec![rule("r", 1, 60)]);
    let mut stored = Stored::default();
    let mut joined = Vec::new();
    for minute in [7, 37, 66, 67, 68, 100, 129] {
        joined.push(stored.admit(&dedup, minute, &[found(0, "r", "d")], &[]).matches[0].clone().unwrap());
    }
    let second = joined[4].clone();
    assert_eq!(joined[..4], vec![joined[0].clone(); 4]);
    assert_eq!(joined[4..6], vec![second.clone(); 2]);
    assert_ne!(joined[0], second);
    let third = joined[6].clone();
    assert_ne!(third, second);
    let counts: Vec<_> = joined.iter().map(|id| stored.alerts[id].event_count).collect();
    assert_eq!(counts, [4, 4, 4, 4, 2, 2, 1]);
    assert_eq!(stored.deliveries.len(), 3);
}

#[test]
fn texts_are_the_first_match_s_and_order_is_the_event_s() {
    let dedup = deduplicator(vec![rule("r", 1, 60)]);
    let mut stored = Stored::default();
    stored.admit(&dedup, 0, &[found(5, "r", "d"), found(2, "r", "d")], &[]);
    stored.admit(&dedup, 1, &[found(0, "r", "d")], &[]);
    let alert = stored.only_alert();
    assert_eq!(alert.title, "title 2");
    assert_eq!((alert.event_count, alert.created_micros, alert.updated_micros), (3, 0, MINUTE));
}

#[test]
fn the_threshold_shows_and_delivers_once() {
    let dedup = deduplicator(vec![rule("r", 3, 60)]);
    let mut stored = Stored::default();
    stored.admit(&dedup, 0, &[found(0, "r", "d"), found(1, "r", "d")], &[]);
    assert!(!stored.only_alert().visible);
    assert!(stored.deliveries.is_empty());
    for minute in [10, 20] {
        stored.admit(&dedup, minute, &[found(0, "r", "d")], &[]);
        let alert = stored.only_alert();
        assert!(alert.visible);
        assert_eq!(alert.created_micros, 10 * MINUTE);
        assert_eq!(stored.deliveries, [NewDelivery { alert: alert.id.clone(), destination: "soc".into() }]);
    }
}

#[test]
fn distinct_values_count_towards_the_threshold() {
    let dedup = deduplicator(vec![rule("r", 3, 60)]);
    let mut stored = Stored::default();
    let unique = |value: &str| Match { unique: Some(value.to_owned()), ..found(0, "r", "d") };
    for (minute, value, visible) in [(0, "a", false), (1, "a", false), (2, "b", false), (3, "b", false), (4, "c", true)]
    {
        stored.admit(&dedup, minute, &[unique(value)], &[]);
        assert_eq!(stored.only_alert().visible, visible, "after {value} at {minute}");
    }
    assert_eq!(stored.only_alert().event_count, 5);
}

#[test]
fn errors_alert_whatever_the_threshold_and_create_alert_say() {
    let dedup = deduplicator(vec![RuleFacts { create_alert: false, ..rule("r", 100, 60) }]);
    let mut stored = Stored::default();
    let error = |exception: &str, message: &str| DetectionError {
        event: 0,
        detection: "r".into(),
        kind: DetectionErrorKind::Raised,
        exception: exception.into(),
        message: message.into(),
    };
    let errors = [
        error("KeyError", "'eventName': r.py, line 3, in fn rule"),
        error("KeyError", "'other': r.py, line 4, in fn rule"),
        error("ValueError", "bad: value: r.py, line 5, in fn rule"),
        error("RuleTimeout", ""),
    ];
    let assigned = stored.admit(&dedup, 0, &[found(0, "r", "d")], &errors);
    assert_eq!(assigned.matches, [None]);
    assert_eq!(assigned.errors[0], assigned.errors[1]);
    let mut said: Vec<_> = stored.alerts.values().map(|a| (a.title.as_str(), a.kind, a.event_count)).collect();
    said.sort_by_key(|(title, ..)| *title);
    let kind = AlertKind::RuleError;
    assert_eq!(
        said,
        [("KeyError('eventName')", kind, 2), ("RuleTimeout()", kind, 1), ("ValueError('bad: value')", kind, 1)]
    );
    assert_eq!(stored.deliveries.len(), 3);
}

#[test]
fn a_rule_says_where_its_alerts_go() {
    let dedup = deduplicator(vec![rule("r", 1, 60)]);
    let mut stored = Stored::default();
    let to = |dedup: &str, names: &[&str]| Match {
        destinations: Some(names.iter().map(|&name| name.to_owned()).collect()),
        ..found(0, "r", dedup)
    };
    stored.admit(&dedup, 0, &[to("told", &["SOC"]), to("silent", &[])], &[]);
    assert_eq!(stored.alerts.len(), 2);
    assert_eq!(stored.deliveries.len(), 1);
}

#[test]
fn informational_alerts_are_born_resolved() {
    let dedup = deduplicator(vec![rule("r", 1, 60)]);
    let mut stored = Stored::default();
    stored.admit(&dedup, 0, &[Match { severity: Severity::Info, ..found(0, "r", "d") }], &[]);
    assert_eq!(stored.only_alert().status, AlertStatus::Resolved);
    assert!(stored.deliveries.is_empty());
}

/// One match in the history that the property test plays: (detection, dedup, unique value).
type Played = (usize, usize, Option<u8>);

/// A window's start, and the minutes and values of its matches.
type PlainWindow = (i64, Vec<(i64, Option<u8>)>);
/// Detection, dedup string, start, matches, and when the threshold was crossed.
type PlainAlert = (String, String, i64, u64, Option<i64>);

/// The same rules said plainly: for every key a list of windows with all their matches.
fn model(history: &[(i64, Played)], thresholds: [u64; 3], periods: [i64; 3]) -> BTreeSet<PlainAlert> {
    let mut windows: BTreeMap<(usize, usize), Vec<PlainWindow>> = BTreeMap::new();
    for (minute, (detection, dedup, unique)) in history {
        let of_key = windows.entry((*detection, *dedup)).or_default();
        match of_key.last_mut() {
            Some((start, seen)) if minute - *start <= periods[*detection] => seen.push((*minute, *unique)),
            _ => of_key.push((*minute, vec![(*minute, *unique)])),
        }
    }
    let mut alerts = BTreeSet::new();
    for ((detection, dedup), windows) in windows {
        for (start, seen) in windows {
            let crossed = (1..=seen.len()).find(|&many| {
                let values: BTreeSet<u8> = seen[..many].iter().filter_map(|(_, unique)| *unique).collect();
                let reached = if values.is_empty() { many } else { values.len() };
                reached as u64 >= thresholds[detection]
            });
            let crossed = crossed.map(|many| seen[many - 1].0 * MINUTE);
            alerts.insert((format!("r{detection}"), format!("d{dedup}"), start, seen.len() as u64, crossed));
        }
    }
    alerts
}

proptest! {
    /// Any cut of the same history into batches makes the same alerts, and they are the model's.
    #[test]
    fn batching_is_of_no_consequence(
        steps in prop::collection::vec((0_i64..40, (0_usize..3, 0_usize..2, prop::option::of(0_u8..4)), any::<bool>()), 1..60),
        thresholds in [1_u64..4, 1_u64..4, 1_u64..4],
        periods in [5_u32..60, 5_u32..60, 5_u32..60],
    ) {
        let mut minute = 0;
        let mut history = Vec::new();
        for (wait, played, _) in &steps {
            minute += wait / 8 * wait;
            history.push((minute, *played));
        }
        let rules = (0..3).map(|n| rule(&format!("r{n}"), thresholds[n], periods[n])).collect();
        let dedup = deduplicator(rules);
        let as_match = |event: usize, (detection, dedup, unique): Played| Match {
            unique: unique.map(|value| value.to_string()),
            ..found(event, &format!("r{detection}"), &format!("d{dedup}"))
        };

        let mut single = Stored::default();
        for (minute, played) in &history {
            single.admit(&dedup, *minute, &[as_match(0, *played)], &[]);
        }
        // Batches of one time, cut anew where the third part of a step says so; the events' order within is kept.
        let mut batched = Stored::default();
        let mut batch: Vec<Match> = Vec::new();
        for (place, (minute, played)) in history.iter().enumerate() {
            batch.push(as_match(batch.len(), *played));
            let ends = history.get(place + 1).is_none_or(|(next, _)| next != minute) || steps[place].2;
            if ends {
                batch.reverse();
                batched.admit(&dedup, *minute, &batch, &[]);
                batch.clear();
            }
        }
        let facts = |stored: &Stored| -> Vec<(AlertId, u64, bool, i64, i64)> {
            let of = |a: &Alert| (a.id.clone(), a.event_count, a.visible, a.created_micros, a.updated_micros);
            stored.alerts.values().map(of).collect()
        };
        prop_assert_eq!(facts(&single), facts(&batched));
        prop_assert_eq!(&single.windows, &batched.windows);
        let told = |stored: &Stored| -> BTreeSet<(AlertId, DestinationId)> {
            stored.deliveries.iter().map(|d| (d.alert.clone(), d.destination.clone())).collect()
        };
        prop_assert_eq!(told(&single), told(&batched));
        prop_assert_eq!(single.deliveries.len(), told(&single).len());
        prop_assert_eq!(single.deliveries.len(), single.alerts.values().filter(|alert| alert.visible).count());

        let expected = model(&history, thresholds, periods.map(i64::from));
        for (detection, key, start, count, crossed) in &expected {
            let id = AlertId::of(&DetectionId::from(detection.as_str()), key, "RULE", start * MINUTE);
            let alert = &single.alerts[&id];
            prop_assert_eq!((alert.event_count, alert.visible), (*count, crossed.is_some()));
            prop_assert_eq!(alert.created_micros, crossed.unwrap_or(start * MINUTE));
        }
        prop_assert_eq!(expected.len(), single.alerts.len());
    }
}
