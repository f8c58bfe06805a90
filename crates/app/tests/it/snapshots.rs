//! Snapshots over a real lake: whatever dies between them, what is told of changes leads from the first one to the last.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use uncia_alerting::{Deduplicator, Facts, Routes};
use uncia_detection::Control;
use uncia_document::{Interner, Timestamp};
use uncia_lake::Lake;
use uncia_lake_iceberg::IcebergLake;
use uncia_model::{LogType, ManualClock, Origin, Payload, Record, RowId, SourceId};
use uncia_pipeline::batch::RawBatch;
use uncia_pipeline::posture::facts_of;
use uncia_pipeline::state::{Snapshot, StateError, StateRows};
use uncia_pipeline::{BatchLimits, Batcher, Generation, Input, Parts, Walk};
use uncia_processing::SchemaSet;
use uncia_snowflake::state::{STATE_VIEWS, StateView};
use uncia_sources::snowflake::PullError;
use uncia_store::Store;

/// Whether each user has a second factor.
pub(crate) type State = BTreeMap<u8, bool>;

pub(crate) struct Ground {
    _home: tempfile::TempDir,
    pub(crate) store: Arc<Store>,
    lake: Arc<IcebergLake>,
    pub(crate) walk: Walk,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) source: SourceId,
}

pub(crate) struct Rows {
    columns: Vec<String>,
    partitions: Vec<Vec<Record>>,
}

#[async_trait]
impl StateRows for Rows {
    fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }

    async fn next(&mut self) -> Result<Option<Vec<Record>>, PullError> {
        Ok(self.partitions.pop())
    }
}

fn users() -> &'static StateView {
    STATE_VIEWS.iter().find(|view| view.name == "USERS").unwrap()
}

fn schemas() -> SchemaSet {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../content/schemas/snowflake");
    let file = |name: &str| (name.to_owned(), std::fs::read_to_string(format!("{folder}/{name}")).unwrap());
    let (schemas, errors) = SchemaSet::load(["Snowflake.Users.yml", "Snowflake.StateChange.yml"].map(file));
    assert!(errors.is_empty(), "{errors:?}");
    schemas
}

impl Ground {
    async fn new() -> Self {
        Self::judging(Arc::default()).await
    }

    /// With these controls.
    pub(crate) async fn judging(controls: Arc<[Control]>) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(1_700_000_000, 0)));
        let facts = controls.iter().map(|control| (control.id.as_str().into(), Arc::new(facts_of(control))));
        let facts: Facts = facts.collect();
        let home = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(&home.path().join("store.sqlite")).await.unwrap());
        let lake = Arc::new(IcebergLake::open(&home.path().join("lake"), store.clone()).unwrap());
        let walk = Walk::new(Parts {
            lake: lake.clone(),
            store: store.clone(),
            generation: Generation {
                number: 1,
                detections: None,
                deduplicator: Deduplicator::new(facts, Routes::default()),
                controls,
            },
            schemas: Arc::new(schemas()),
            discovered: Vec::new(),
            filters: Arc::default(),
            interner: Interner::new(),
            clock: clock.clone(),
            blobs: home.path().join("blobs"),
            threads: 2,
        });
        Self { _home: home, store, lake, walk, clock, source: SourceId::from("acme's") }
    }

    pub(crate) fn rows(&self, state: &State, columns: &[&str]) -> Rows {
        let record = |(user, mfa): (&u8, &bool)| {
            let cells = json!({
                "USER_ID": user.to_string(), "NAME": format!("U{user}"), "HAS_MFA": mfa,
                "CREATED_ON": "2024-01-02 03:04:05.123456789 +0000", "TYPE": "PERSON",
            });
            let mut cells = cells.as_object().unwrap().clone();
            cells.retain(|name, _| columns.contains(&name.as_str()));
            let text = Value::Object(cells).to_string();
            let id = RowId::of(&self.source, &text, 0, 0);
            Record::alone(0, Bytes::from(text)).known_as(id)
        };
        let records: Vec<Record> = state.iter().map(record).collect();
        let partitions = records.chunks(3).map(<[Record]>::to_vec).collect();
        Rows { columns: columns.iter().map(|&name| name.to_owned()).collect(), partitions }
    }

    fn payload(&self, key: String, log_type: &str) -> Payload {
        let origin = Origin { source: self.source.clone(), source_label: "Acme".into(), key: key.into(), place: None };
        let received = Timestamp::from_seconds(1_700_000_000, 0);
        Payload { origin, bytes: Bytes::new(), received, log_types: vec![LogType::from(log_type)], head: None }
    }

    /// One snapshot through the walk.
    pub(crate) async fn take(&self, rows: Rows, now: i64) -> Result<Snapshot, StateError> {
        let (inputs, mut taken) = mpsc::channel::<Input>(1);
        let (sender, receiver) = mpsc::channel::<RawBatch>(1);
        let feed = async move {
            while let Some(input) = taken.recv().await {
                let mut batcher = Batcher::new(BatchLimits { bytes: 1 << 20, records: 2 });
                let mut batches = Vec::new();
                batcher
                    .add(input, &mut |batch| {
                        batches.push(batch);
                        true
                    })
                    .unwrap();
                batches.extend(batcher.flush());
                for batch in batches {
                    if sender.send(batch).await.is_err() {
                        return;
                    }
                }
            }
        };
        let take = async {
            let payload = |key, log_type: &str| self.payload(key, log_type);
            let taken = self.walk.take_snapshot(users(), &self.source, rows, now, &payload, &inputs).await;
            drop(inputs);
            taken
        };
        let (walked, (), taken) = tokio::join!(self.walk.run(receiver, |_, _| ()), feed, take);
        walked.unwrap();
        taken
    }

    async fn query(&self, sql: &str) -> Vec<Value> {
        let answer = self.lake.query(sql).await.unwrap();
        answer.rows.map(|row| serde_json::from_str(&row.unwrap().to_json()).unwrap()).collect().await
    }

    async fn in_lake(&self) -> State {
        if self.lake.tables().await.unwrap().is_empty() {
            return State::new();
        }
        let rows = self.query("SELECT USER_ID, HAS_MFA FROM lookups.snowflake_users").await;
        let state: State = rows.iter().map(user).collect();
        assert_eq!(rows.len(), state.len(), "a user is there twice: {rows:?}");
        state
    }

    async fn told(&self) -> Vec<Value> {
        if !self.lake.tables().await.unwrap().iter().any(|info| &*info.table.name == "snowflake_statechange") {
            return Vec::new();
        }
        let columns = "OBSERVED_AT, OBJECT_NAME, CHANGE, CHANGED_COLUMNS, BEFORE, AFTER, p_row_id";
        self.query(&format!("SELECT {columns} FROM logs.snowflake_statechange ORDER BY OBSERVED_AT")).await
    }
}

fn user(row: &Value) -> (u8, bool) {
    (row["USER_ID"].as_str().unwrap().parse().unwrap(), row["HAS_MFA"].as_bool().unwrap())
}

/// Applies what was told to a state; panics where the two contradict each other.
fn apply(state: &mut State, change: &Value) {
    let id: u8 = change["OBJECT_NAME"].as_str().unwrap()[1..].parse().unwrap();
    let side = |name: &str| change[name]["HAS_MFA"].as_bool();
    let before = match change["CHANGE"].as_str().unwrap() {
        "gained" => state.insert(id, side("AFTER").unwrap()),
        "lost" => state.remove(&id),
        _ => {
            assert_eq!(change["CHANGED_COLUMNS"], json!(["HAS_MFA"]));
            state.insert(id, side("AFTER").unwrap())
        }
    };
    assert_eq!(before, side("BEFORE"), "{change}");
}

pub(crate) const ALL: &[&str] = &["USER_ID", "NAME", "HAS_MFA", "CREATED_ON", "TYPE"];
pub(crate) const HOUR: i64 = 3_600_000_000;
pub(crate) const START: i64 = 1_700_000_000_000_000;

#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) state: State,
    /// The snapshot dies after so many turns of its tasks; none: it ends.
    pub(crate) dies: Option<u32>,
}

/// Ends the work after so many turns of its tasks, and waits until nothing of it goes on.
pub(crate) async fn die_after<T>(turns: u32, taking: tokio::task::JoinHandle<T>, ground: &Arc<Ground>) {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
    taking.abort();
    let _ = taking.await;
    // What had begun to be written may still end.
    while Arc::strong_count(ground) > 1 {
        tokio::task::yield_now().await;
    }
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let state = prop::collection::btree_map(0..8_u8, any::<bool>(), 1..8);
    // At any of its steps: the later ones are many turns away.
    let turns = (0..16_u32, any::<u32>()).prop_map(|(bits, turns)| turns % (1 << bits));
    (state, prop::option::weighted(0.6, turns)).prop_map(|(state, dies)| Step { state, dies })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn every_change_is_told_once(first in step(), steps in prop::collection::vec(step(), 1..8)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let ground = Arc::new(Ground::new().await);
            let none = ground.take(ground.rows(&first.state, ALL), START).await.unwrap();
            assert_eq!((none.changes, none.added), (0, first.state.len() as u64), "a first snapshot changes nothing");
            let last = Step { dies: None, ..steps.last().unwrap().clone() };
            for (n, Step { state, dies }) in (1..).zip(steps.iter().cloned().chain([last])) {
                let taking = tokio::spawn({
                    let (ground, state) = (ground.clone(), state.clone());
                    async move { ground.take(ground.rows(&state, ALL), START + n * HOUR).await }
                });
                match dies {
                    Some(turns) => die_after(turns, taking, &ground).await,
                    None => {
                        taking.await.unwrap().unwrap();
                        assert_eq!(ground.in_lake().await, state);
                    }
                }
                // A commit may still be on its way into the store; then both are seen with it or without it.
                let mut there = ground.in_lake().await;
                let told = loop {
                    let told = ground.told().await;
                    let again = ground.in_lake().await;
                    if there == again {
                        break told;
                    }
                    there = again;
                };
                let mut from_first = first.state.clone();
                told.iter().for_each(|change| apply(&mut from_first, change));
                assert_eq!(from_first, there, "what was told is what is there");
            }
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_come_and_go_without_a_word() {
    let ground = Ground::new().await;
    let state = State::from([(1, true), (2, false)]);
    let fewer = &["USER_ID", "NAME", "HAS_MFA", "CREATED_ON"];
    ground.take(ground.rows(&state, fewer), START).await.unwrap();
    let more = ground.take(ground.rows(&state, ALL), START + HOUR).await.unwrap();
    assert_eq!((more.rows, more.added, more.gone, more.changes), (2, 2, 2, 0));
    let less = ground.take(ground.rows(&state, fewer), START + 2 * HOUR).await.unwrap();
    assert_eq!((less.added, less.gone, less.changes), (2, 2, 0));
    let state = State::from([(1, false), (2, false)]);
    let changed = ground.take(ground.rows(&state, ALL), START + 3 * HOUR).await.unwrap();
    assert_eq!(changed.changes, 1, "what changed meanwhile is told");
    let same = ground.take(ground.rows(&state, ALL), START + 4 * HOUR).await.unwrap();
    assert_eq!(same, Snapshot { rows: 2, ..Snapshot::default() });
    let feed = users().feed();
    let position = ground.store.pull_position(&ground.source, &feed).await.unwrap().unwrap();
    assert_eq!((position.watermark_micros, position.begun_micros), (START + 4 * HOUR, START));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_answer_is_no_change() {
    let ground = Ground::new().await;
    let state = State::from([(1, true)]);
    ground.take(ground.rows(&state, ALL), START).await.unwrap();
    let error = ground.take(ground.rows(&State::new(), ALL), START + HOUR).await.unwrap_err();
    assert!(matches!(error, StateError::Empty), "{error}");
    assert_eq!(ground.in_lake().await, state);
    assert!(ground.told().await.is_empty());
}
