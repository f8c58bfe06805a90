//! Alerts are exact, whatever happens between batches: restarts, a clock that jumps, a second process that takes over, a
//! batch that is given again. Held against the rules of windows said plainly.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use uncia_alerting::{Deduplicator, Facts, Judged, Routes, RuleFacts};
use uncia_model::{AlertId, BatchId, DetectionId, LogType, Match, Severity};
use uncia_store::{AlertFilter, BatchCommit, CommitOutcome, Store};

const MINUTE: i64 = 60_000_000;
const PERIODS: [u32; 2] = [5, 30];
const THRESHOLDS: [u64; 2] = [1, 3];

/// One batch: how far the clock moves, its matches (detection, dedup, unique value), and what happens around it.
#[derive(Clone, Debug)]
struct Step {
    clock: i64,
    matches: Vec<(usize, u8, Option<u8>)>,
    around: Around,
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
}

fn step() -> impl Strategy<Value = Step> {
    let one = (0_usize..2, 0_u8..2, prop::option::weighted(0.3, 0_u8..4));
    let around =
        prop_oneof![Just(Around::Nothing), Just(Around::Restart), Just(Around::OtherProcess), Just(Around::Again)];
    (prop_oneof![4 => 0_i64..20, 1 => -60_i64..0, 1 => 60_i64..600], prop::collection::vec(one, 1..5), around)
        .prop_map(|(clock, matches, around)| Step { clock, matches, around })
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
    Deduplicator::new(facts, Routes::default())
}

async fn commit(store: &Store, dedup: &Deduplicator, id: BatchId, minute: i64, matches: &[Match]) -> CommitOutcome {
    let log_type = LogType::from("T");
    let judged = [Judged { log_type: &log_type, matches, errors: &[] }];
    let windows = store.windows(&dedup.keys(&judged)).await.unwrap();
    let ids: Vec<AlertId> = windows.values().map(|window| window.alert.clone()).collect();
    let alerts = store.alerts_by_id(&ids).await.unwrap();
    let admitted = dedup.admit(&judged, windows.into_values(), alerts, minute * MINUTE);
    let batch = BatchCommit {
        windows: admitted.windows,
        alerts: admitted.alerts,
        deliveries: admitted.deliveries,
        ..BatchCommit::new(id, minute * MINUTE)
    };
    store.commit(&batch).await.unwrap()
}

type Seen = (String, String, i64, u64, bool);
type PlainWindow = (i64, Vec<Option<u8>>);

/// For every key its windows with all their matches: a window takes what comes within its period after its start.
fn model(steps: &[Step]) -> BTreeSet<Seen> {
    let mut windows: BTreeMap<(usize, u8), Vec<PlainWindow>> = BTreeMap::new();
    let mut minute = 10_000;
    for step in steps {
        minute += step.clock;
        for &(detection, dedup, unique) in &step.matches {
            let of_key = windows.entry((detection, dedup)).or_default();
            match of_key.last_mut() {
                Some((start, seen)) if minute - *start <= i64::from(PERIODS[detection]) => seen.push(unique),
                _ => of_key.push((minute, vec![unique])),
            }
        }
    }
    let mut seen = BTreeSet::new();
    for ((detection, dedup), windows) in windows {
        for (start, matches) in windows {
            let visible = (1..=matches.len()).any(|many| {
                let values: BTreeSet<u8> = matches[..many].iter().flatten().copied().collect();
                let reached = if values.is_empty() { many } else { values.len() };
                reached as u64 >= THRESHOLDS[detection]
            });
            let id =
                AlertId::of(&format!("r{detection}").as_str().into(), &format!("d{dedup}"), "RULE", start * MINUTE);
            seen.insert((id.to_string(), format!("d{dedup}"), start, matches.len() as u64, visible));
        }
    }
    seen
}

async fn play(steps: &[Step]) -> BTreeSet<Seen> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.sqlite");
    let dedup = deduplicator();
    let mut store = Store::open(&path).await.unwrap();
    let other = Store::open(&path).await.unwrap();
    let mut minute = 10_000;
    let mut made: BTreeMap<AlertId, i64> = BTreeMap::new();
    for (number, step) in steps.iter().enumerate() {
        minute += step.clock;
        let matches: Vec<Match> = step
            .matches
            .iter()
            .enumerate()
            .map(|(event, (detection, dedup, unique))| Match {
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
            })
            .collect();
        let id = BatchId::of(&[&number.to_string()]);
        match step.around {
            Around::Restart => store = Store::open(&path).await.unwrap(),
            Around::OtherProcess => {
                assert_eq!(commit(&other, &dedup, id, minute, &matches).await, CommitOutcome::Committed);
            }
            Around::Nothing | Around::Again => {}
        }
        if !matches!(step.around, Around::OtherProcess) {
            assert_eq!(commit(&store, &dedup, id, minute, &matches).await, CommitOutcome::Committed);
        }
        if matches!(step.around, Around::Again) {
            assert_eq!(commit(&store, &dedup, id, minute + 1, &matches).await, CommitOutcome::AlreadyCommitted);
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
    assert!(visible.iter().all(|alert| alert.visible));
    alerts
        .into_iter()
        .map(|alert| {
            let start = made[&alert.id];
            (alert.id.to_string(), alert.dedup, start, alert.event_count, alert.visible)
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn alerts_are_exact(steps in prop::collection::vec(step(), 1..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        prop_assert_eq!(runtime.block_on(play(&steps)), model(&steps));
    }
}
