//! A batch is there wholly or not at all, once.

use std::collections::HashMap;

use proptest::prelude::*;
use uncia_model::{Database, NewDelivery, SourceId, TableRef, Window, WindowKey};
use uncia_store::{AlertFilter, BatchCommit, CommitOutcome, Counter, Progress, Store};

use crate::shape::{alert, batch, key, step, store, table, window};

fn counter(log_type: Option<&str>, events: u64) -> Counter {
    Counter {
        source: "http".into(),
        log_type: log_type.map(Into::into),
        events,
        failures: 1,
        bytes: 100,
        oversized: 0,
        filtered: 2,
        filtered_bytes: 20,
    }
}

/// A batch that changes something of everything.
fn full(name: &str, from: Option<&str>, to: &str) -> BatchCommit {
    let mut commit = batch(name, 1_000);
    commit.moves = vec![step("first", from, to), step("second", from, to)];
    commit.progress =
        vec![Progress { source: "files".into(), origin: "blake3:aa".into(), records: 10, complete: false }];
    commit.wal = Some((3, 2048));
    commit.windows = vec![window(key("R", "x"), "a1", 4)];
    commit.alerts = vec![alert("a1", 1_000)];
    commit.deliveries = vec![NewDelivery { alert: "a1".into(), destination: "hook".into() }];
    commit.counters = vec![counter(Some("AWS.ALB"), 5), counter(None, 0), counter(Some("AWS.ALB"), 2)];
    commit
}

/// Everything a reader can see, as text.
async fn seen(store: &Store) -> String {
    let everything = AlertFilter { hidden_too: true, ..AlertFilter::default() };
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        store.pointers().await.unwrap(),
        store.progress(&"files".into(), "blake3:aa").await.unwrap(),
        store.wal_position().await.unwrap(),
        store.windows(&[key("R", "x")]).await.unwrap(),
        store.alerts(&everything).await.unwrap(),
        store.deliveries(None, 100).await.unwrap(),
        store.counters().await.unwrap(),
        store.is_committed(&batch("one", 0).id).await.unwrap(),
    )
}

#[tokio::test]
async fn a_batch_is_committed_once() {
    let (_dir, store) = store().await;
    let commit = full("one", None, "m1");
    assert_eq!(store.commit(&commit).await.unwrap(), CommitOutcome::Committed);
    let after = seen(&store).await;
    assert_eq!(store.commit(&commit).await.unwrap(), CommitOutcome::AlreadyCommitted);
    assert_eq!(seen(&store).await, after);

    assert_eq!(store.pointer(&table("first")).await.unwrap().as_deref(), Some("m1"));
    assert_eq!(store.pointer(&table("none")).await.unwrap(), None);
    assert_eq!(store.wal_position().await.unwrap(), Some((3, 2048)));
    assert_eq!(store.windows(&[key("R", "x"), key("R", "y")]).await.unwrap().len(), 1);
    assert_eq!(store.alert(&"a1".into()).await.unwrap(), Some(alert("a1", 1_000)));
    let counts: Vec<(Option<String>, u64)> = store
        .counters()
        .await
        .unwrap()
        .into_iter()
        .map(|counter| (counter.log_type.map(|log_type| log_type.to_string()), counter.events))
        .collect();
    assert_eq!(counts, [(None, 0), (Some("AWS.ALB".to_owned()), 7)]);
}

#[tokio::test]
async fn a_conflict_leaves_nothing() {
    let (_dir, store) = store().await;
    assert_eq!(store.commit(&full("zero", None, "m1")).await.unwrap(), CommitOutcome::Committed);
    let before = seen(&store).await;
    let conflicts = [
        // The table is there already; it is elsewhere; it is not there; the first of two would move.
        vec![step("second", None, "m2")],
        vec![step("first", Some("m0"), "m2")],
        vec![step("third", Some("m0"), "m2")],
        vec![step("first", Some("m1"), "m2"), step("third", None, "m2"), step("second", Some("m7"), "m2")],
    ];
    for moves in conflicts {
        let conflicting = moves.last().unwrap().table.clone();
        let mut commit = full("one", None, "m2");
        commit.moves = moves;
        commit.alerts.push(alert("a2", 2_000));
        assert_eq!(store.commit(&commit).await.unwrap(), CommitOutcome::Conflict(conflicting));
        assert_eq!(seen(&store).await, before);
    }
}

#[tokio::test]
async fn a_failure_leaves_nothing() {
    let (_dir, store) = store().await;
    let before = seen(&store).await;
    let mut commit = full("one", None, "m1");
    commit.deliveries.push(NewDelivery { alert: "unknown".into(), destination: "hook".into() });
    let refused = store.commit(&commit).await.unwrap_err();
    assert_eq!(refused.to_string(), "cannot commit a batch");
    assert_eq!(seen(&store).await, before);
    assert_eq!(store.commit(&full("one", None, "m1")).await.unwrap(), CommitOutcome::Committed);
}

#[tokio::test]
async fn a_commit_that_is_given_up_half_way_leaves_nothing() {
    let (_dir, store) = store().await;
    let before = seen(&store).await;
    for polls in 0..40 {
        let mut commit = full("one", None, "m1");
        commit.alerts = (0..500).map(|number| alert(&format!("a{number}"), 1)).collect();
        let mut future = Box::pin(store.commit(&commit));
        let mut done = false;
        for _ in 0..polls {
            tokio::select! {
                biased;
                outcome = &mut future => { assert_eq!(outcome.unwrap(), CommitOutcome::Committed); done = true; break }
                () = tokio::task::yield_now() => {}
            }
        }
        if done {
            return;
        }
        drop(future);
        assert_eq!(seen(&store).await, before);
    }
}

#[tokio::test]
async fn the_wal_position_does_not_go_back() {
    let (_dir, store) = store().await;
    assert_eq!(store.wal_position().await.unwrap(), None);
    for (position, expected) in [((2, 10), (2, 10)), ((1, 99), (2, 10)), ((2, 9), (2, 10)), ((3, 1), (3, 1))] {
        let commit = BatchCommit { wal: Some(position), ..batch(&format!("{position:?}"), 0) };
        assert_eq!(store.commit(&commit).await.unwrap(), CommitOutcome::Committed);
        assert_eq!(store.wal_position().await.unwrap(), Some(expected));
    }
}

#[tokio::test]
async fn progress_goes_on() {
    let (_dir, store) = store().await;
    let source = SourceId::from("files");
    for (records, complete) in [(5, false), (9, true)] {
        let progress = Progress { source: source.clone(), origin: "o".into(), records, complete };
        let commit = BatchCommit { progress: vec![progress.clone()], ..batch(&records.to_string(), 0) };
        assert_eq!(store.commit(&commit).await.unwrap(), CommitOutcome::Committed);
        assert_eq!(store.progress(&source, "o").await.unwrap(), Some(progress));
    }
    assert_eq!(store.progress(&source, "other").await.unwrap(), None);
}

#[tokio::test]
async fn the_catalog_is_what_other_engines_expect() {
    let (dir, store) = store().await;
    let mut commit = batch("one", 0);
    commit.moves = vec![
        step("aws_alb", None, "m1"),
        step("aws_alb", Some("m1"), "m2"),
        uncia_model::PointerMove { table: TableRef::new(Database::RuleMatches, "x"), from: None, to: "n1".into() },
    ];
    assert_eq!(store.commit(&commit).await.unwrap(), CommitOutcome::Committed);
    let names: Vec<String> = store.pointers().await.unwrap().iter().map(|(table, _)| table.to_string()).collect();
    assert_eq!(names, ["logs.aws_alb", "rule_matches.x"]);

    let url = format!("sqlite://{}", dir.path().join("store.sqlite").display());
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    type Table = (String, String, String, String, Option<String>, String);
    let tables: Vec<Table> = sqlx::query_as(
        "SELECT catalog_name, table_namespace, table_name, metadata_location, previous_metadata_location, \
         iceberg_type FROM iceberg_tables ORDER BY table_namespace",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let row = |namespace: &str, name: &str, at: &str, before: Option<&str>| {
        let texts = ["uncia", namespace, name, at].map(str::to_owned);
        let [catalog, namespace, name, at] = texts;
        (catalog, namespace, name, at, before.map(str::to_owned), "TABLE".to_owned())
    };
    assert_eq!(tables, [row("logs", "aws_alb", "m2", Some("m1")), row("rule_matches", "x", "n1", None)]);
    let namespaces: Vec<(String, String, String, String)> =
        sqlx::query_as("SELECT * FROM iceberg_namespace_properties ORDER BY namespace").fetch_all(&pool).await.unwrap();
    let namespace = |name: &str| ("uncia".to_owned(), name.to_owned(), "exists".to_owned(), "true".to_owned());
    assert_eq!(namespaces, [namespace("logs"), namespace("rule_matches")]);
}

#[tokio::test]
async fn old_batches_are_forgotten_but_not_the_newest() {
    let (_dir, store) = store().await;
    for number in 0..10 {
        let outcome = store.commit(&batch(&number.to_string(), number * 100)).await.unwrap();
        assert_eq!(outcome, CommitOutcome::Committed);
    }
    assert_eq!(store.prune_batches(500, 7).await.unwrap(), 3);
    assert_eq!(store.prune_batches(500, 0).await.unwrap(), 2);
    assert!(!store.is_committed(&batch("4", 0).id).await.unwrap());
    assert!(store.is_committed(&batch("5", 0).id).await.unwrap());
}

#[tokio::test]
async fn many_windows_at_once() {
    let (_dir, store) = store().await;
    let windows: Vec<Window> = (0..1_500).map(|n| window(key("R", &n.to_string()), "a", n)).collect();
    let commit = BatchCommit { windows: windows.clone(), ..batch("one", 0) };
    assert_eq!(store.commit(&commit).await.unwrap(), CommitOutcome::Committed);
    let keys: Vec<WindowKey> = windows.iter().map(|window| window.key.clone()).collect();
    let found = store.windows(&keys).await.unwrap();
    assert_eq!(found, windows.into_iter().map(|window| (window.key.clone(), window)).collect());
    assert_eq!(store.windows(&[]).await.unwrap(), HashMap::new());
    assert_eq!(store.prune_windows(8).await.unwrap(), 1_500);
}

/// One step of a random history.
#[derive(Clone, Debug)]
struct Turn {
    batch: u8,
    table: u8,
    stale: bool,
    window: u8,
    count: u8,
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let turn = (0..12_u8, 0..3_u8, prop::bool::weighted(0.3), 0..4_u8, any::<u8>())
        .prop_map(|(batch, table, stale, window, count)| Turn { batch, table, stale, window, count });
    prop::collection::vec(turn, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// The store agrees with a model of it after every commit of a random history with replays and conflicts.
    #[test]
    fn commits_agree_with_a_model(turns in turns()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (_dir, store) = store().await;
            let mut committed: Vec<u8> = Vec::new();
            let mut pointers: HashMap<u8, String> = HashMap::new();
            let mut windows: HashMap<WindowKey, Window> = HashMap::new();
            for (index, turn) in turns.iter().enumerate() {
                let name = format!("t{}", turn.table);
                let current = pointers.get(&turn.table).cloned();
                let from = if turn.stale { Some("stale".to_owned()) } else { current };
                let to = format!("m{index}");
                let mut commit = batch(&turn.batch.to_string(), index as i64);
                commit.moves = vec![step(&name, from.as_deref(), &to)];
                commit.windows = vec![window(key("R", &turn.window.to_string()), "a", turn.count.into())];
                let expected = if committed.contains(&turn.batch) {
                    CommitOutcome::AlreadyCommitted
                } else if turn.stale {
                    CommitOutcome::Conflict(table(&name))
                } else {
                    CommitOutcome::Committed
                };
                assert_eq!(store.commit(&commit).await.unwrap(), expected);
                if expected == CommitOutcome::Committed {
                    committed.push(turn.batch);
                    pointers.insert(turn.table, to);
                    windows.extend(commit.windows.into_iter().map(|window| (window.key.clone(), window)));
                }
                let mut known: Vec<_> =
                    pointers.iter().map(|(number, at)| (table(&format!("t{number}")), at.clone())).collect();
                known.sort();
                assert_eq!(store.pointers().await.unwrap(), known);
                let keys: Vec<WindowKey> = (0..4).map(|number| key("R", &number.to_string())).collect();
                assert_eq!(store.windows(&keys).await.unwrap(), windows);
            }
        });
    }
}
