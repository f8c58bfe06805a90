//! Alerts are exact, whatever happens between batches: restarts, crashes before and after the commit, a clock that jumps by
//! minutes or a year, a second process that takes over or triages meanwhile, batches that are given again. Held against
//! the rules of windows said plainly. That two processes do not write at once is the lock's business, in `app`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use uncia_alerting::{Deduplicator, Facts, Judged, Route, Routes, RuleFacts};
use uncia_model::{AlertId, AlertStatus, BatchId, DetectionId, LogType, Match, Severity};
use uncia_store::{AlertFilter, BatchCommit, CommitOutcome, Store};

const MINUTE: i64 = 60_000_000;
const PERIODS: [u32; 2] = [5, 30];
const THRESHOLDS: [u64; 2] = [1, 3];
/// The minute in which all begins: decades after 1970, so that the clock can go back.
const START: i64 = 20_000_000;
const DESTINATION: &str = "pager";

/// One batch: how far the clock moves, its matches (detection, dedup, unique value), what happens around it, and what a
/// person does to an alert meanwhile, in another process.
#[derive(Clone, Debug)]
struct Step {
    clock: i64,
    matches: Vec<(usize, u8, Option<u8>)>,
    around: Around,
    triage: Option<(prop::sample::Index, AlertStatus)>,
}

#[derive(Clone, Copy, Debug)]
enum Around {
    Nothing,
    /// The store is closed and opened before the batch.
    Restart,
    /// Another process commits the batch.
    OtherProcess,
    /// The batch is committed twice, as after a crash whose commit had succeeded.
    Again,
    /// The process ends when all is computed and nothing committed; the batch comes again, with the clock elsewhere.
    Crash,
    /// Some earlier batch is given again.
    Earlier(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    let one = (0_usize..2, 0_u8..2, prop::option::weighted(0.3, 0_u8..4));
    let around = prop_oneof![
        Just(Around::Nothing),
        Just(Around::Restart),
        Just(Around::OtherProcess),
        Just(Around::Again),
        Just(Around::Crash),
        any::<prop::sample::Index>().prop_map(Around::Earlier)
    ];
    let clock =
        prop_oneof![8 => 0_i64..20, 1 => -60_i64..0, 1 => -500_000_i64..-60, 2 => 60_i64..600, 1 => 600_i64..500_000];
    let triage =
        prop::option::weighted(0.4, (any::<prop::sample::Index>(), prop::sample::select(&AlertStatus::ALL[..])));
    (clock, prop::collection::vec(one, 1..5), around, triage).prop_map(|(clock, matches, around, triage)| Step {
        clock,
        matches,
        around,
        triage,
    })
}

fn deduplicator() -> Deduplicator {
    let facts: Facts = (0..2)
        .map(|n| {
            let id = DetectionId::from(format!("r{n}"));
            let facts = RuleFacts {
                threshold: THRESHOLDS[n],
                dedup_period_minutes: PERIODS[n],
                ..RuleFacts::new(id.clone(), Severity::High)
            };
            (id, Arc::new(facts))
        })
        .collect();
    let route = Route {
        id: DESTINATION.into(),
        name: DESTINATION.to_owned(),
        severities: vec![Severity::High],
        alert_types: Vec::new(),
        log_types: Vec::new(),
    };
    Deduplicator::new(facts, Routes::new(vec![route]))
}

/// What a batch would change.
async fn admitted(store: &Store, dedup: &Deduplicator, id: BatchId, minute: i64, matches: &[Match]) -> BatchCommit {
    let log_type = LogType::from("T");
    let judged = [Judged { log_type: &log_type, matches, errors: &[] }];
    let windows = store.windows(&dedup.keys(&judged)).await.unwrap();
    let ids: Vec<AlertId> = windows.values().map(|window| window.alert.clone()).collect();
    let alerts = store.alerts_by_id(&ids).await.unwrap();
    let admitted = dedup.admit(&judged, windows.into_values(), alerts, minute * MINUTE);
    BatchCommit {
        windows: admitted.windows,
        alerts: admitted.alerts,
        deliveries: admitted.deliveries,
        ..BatchCommit::new(id, minute * MINUTE)
    }
}

/// An alert: dedup, start of its window, events, visible, status, deliveries.
type Seen = BTreeMap<AlertId, (String, i64, u64, bool, AlertStatus, usize)>;
/// The minute it began in, its alert, its matches.
type PlainWindow = (i64, AlertId, Vec<Option<u8>>);

/// For every key its windows with all their matches: a window takes what comes within its period after its start. The
/// last word on a status is the person's. Who is to be told is told once.
fn model(steps: &[Step]) -> Seen {
    let mut windows: BTreeMap<(usize, u8), Vec<PlainWindow>> = BTreeMap::new();
    let mut statuses: BTreeMap<AlertId, AlertStatus> = BTreeMap::new();
    let mut minute = START;
    for step in steps {
        minute += step.clock;
        if let Some((which, status)) = &step.triage
            && !statuses.is_empty()
        {
            let place = which.index(statuses.len());
            *statuses.values_mut().nth(place).unwrap() = *status;
        }
        for &(detection, dedup, unique) in &step.matches {
            let of_key = windows.entry((detection, dedup)).or_default();
            match of_key.last_mut() {
                Some((start, _, seen)) if minute - *start <= i64::from(PERIODS[detection]) => seen.push(unique),
                _ => {
                    let (rule, dedup) = (format!("r{detection}"), format!("d{dedup}"));
                    let id = AlertId::of(&rule.as_str().into(), &dedup, "RULE", minute * MINUTE);
                    statuses.insert(id.clone(), AlertStatus::Open);
                    of_key.push((minute, id, vec![unique]));
                }
            }
        }
    }
    let mut seen = Seen::new();
    for ((detection, dedup), windows) in windows {
        for (start, id, matches) in windows {
            let visible = (1..=matches.len()).any(|many| {
                let values: BTreeSet<u8> = matches[..many].iter().flatten().copied().collect();
                let reached = if values.is_empty() { many } else { values.len() };
                reached as u64 >= THRESHOLDS[detection]
            });
            let status = statuses[&id];
            let count = matches.len() as u64;
            seen.insert(id, (format!("d{dedup}"), start, count, visible, status, usize::from(visible)));
        }
    }
    seen
}

fn matches_of(step: &Step) -> Vec<Match> {
    let one = |(event, (detection, dedup, unique)): (usize, &(usize, u8, Option<u8>))| Match {
        event,
        detection: format!("r{detection}").into(),
        title: String::new(),
        dedup: format!("d{dedup}"),
        severity: Severity::High,
        description: String::new(),
        reference: String::new(),
        runbook: String::new(),
        destinations: None,
        alert_context: None,
        unique: unique.map(|value| value.to_string()),
    };
    step.matches.iter().enumerate().map(one).collect()
}

async fn play(steps: &[Step]) -> Seen {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.sqlite");
    let dedup = deduplicator();
    let mut store = Store::open(&path).await.unwrap();
    let other = Store::open(&path).await.unwrap();
    let mut minute = START;
    // Alerts and the minutes in which their windows began.
    let mut made: BTreeMap<AlertId, i64> = BTreeMap::new();
    let batch_id = |number: usize| BatchId::of(&[&number.to_string()]);
    for (number, step) in steps.iter().enumerate() {
        minute += step.clock;
        let (id, matches) = (batch_id(number), matches_of(step));
        match step.around {
            Around::Restart => {
                store.close().await;
                store = Store::open(&path).await.unwrap();
            }
            Around::Crash => {
                drop(admitted(&store, &dedup, id, minute - 3, &matches).await);
                store = Store::open(&path).await.unwrap();
            }
            Around::Nothing | Around::Again | Around::OtherProcess | Around::Earlier(_) => {}
        }
        let (committer, triager) =
            if matches!(step.around, Around::OtherProcess) { (&other, &store) } else { (&store, &other) };
        let commit = async {
            let batch = admitted(committer, &dedup, id, minute, &matches).await;
            committer.commit(&batch).await.unwrap()
        };
        let triage = async {
            let Some((which, status)) = &step.triage else { return };
            let Some(alert) = (!made.is_empty()).then(|| made.keys().nth(which.index(made.len())).unwrap()) else {
                return;
            };
            let changed = triager.set_alert_status(std::slice::from_ref(alert), *status, minute * MINUTE).await;
            assert_eq!(changed.unwrap(), 1);
        };
        let (outcome, ()) = tokio::join!(commit, triage);
        assert_eq!(outcome, CommitOutcome::Committed);
        let again = match step.around {
            Around::Again => Some(number),
            Around::Earlier(which) => Some(which.index(number + 1)),
            _ => None,
        };
        if let Some(again) = again {
            let batch = admitted(&store, &dedup, batch_id(again), minute + 1, &matches_of(&steps[again])).await;
            assert_eq!(store.commit(&batch).await.unwrap(), CommitOutcome::AlreadyCommitted);
        }
        for (detection, dedup, _) in &step.matches {
            let key = uncia_model::WindowKey {
                detection: format!("r{detection}").into(),
                dedup: format!("d{dedup}"),
                kind_is_error: false,
            };
            let window = store.windows(std::slice::from_ref(&key)).await.unwrap().remove(&key).unwrap();
            made.insert(window.alert, window.start_micros / MINUTE);
        }
    }
    let ids: Vec<AlertId> = made.keys().cloned().collect();
    let alerts = store.alerts_by_id(&ids).await.unwrap();
    let visible = store.alerts(&AlertFilter::default()).await.unwrap();
    assert!(visible.iter().all(|alert| alert.visible && made.contains_key(&alert.id)));
    let mut seen = Seen::new();
    for alert in alerts {
        let told = store.deliveries_of(&alert.id).await.unwrap().len();
        let facts = (alert.dedup, made[&alert.id], alert.event_count, alert.visible, alert.status, told);
        seen.insert(alert.id, facts);
    }
    seen
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn alerts_are_exact(steps in prop::collection::vec(step(), 1..24)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        prop_assert_eq!(runtime.block_on(play(&steps)), model(&steps));
    }
}
