//! Accepted means landed, once: over failures of the lake, restarts, and power cuts under the log.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use uncia_document::Timestamp;
use uncia_pipeline::BatchLimits;
use uncia_pipeline::intake::WalIntake;
use uncia_pipeline::serve::Serving;
use uncia_sources::Intake as _;
use uncia_store::Store;
use uncia_wal::fs::{Fs, SimulatedFs};
use uncia_wal::{Position, Wal, WalConfig};

use crate::lake::FakeLake;
use crate::{doors, walk};

struct Ground {
    home: tempfile::TempDir,
    store: Arc<Store>,
    lake: Arc<FakeLake>,
    disk: SimulatedFs,
}

impl Ground {
    async fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(&home.path().join("store.sqlite")).await.unwrap());
        Self { home, lake: FakeLake::new(store.clone()), store, disk: SimulatedFs::new() }
    }

    async fn serving(&self) -> (Arc<Serving>, WalIntake) {
        let consumed = self.store.wal_position().await.unwrap();
        let consumed = consumed.map_or(Position::START, |(segment, offset)| Position::new(segment, offset));
        let fs: Arc<dyn Fs> = Arc::new(self.disk.clone());
        let config = WalConfig { consumed, ..WalConfig::default() };
        let wal = Arc::new(Wal::open(fs, Path::new("/wal"), config).unwrap().0);
        let serving = Serving {
            walk: Arc::new(walk(self.store.clone(), self.lake.clone(), &self.home.path().join("blobs"))),
            wal: wal.clone(),
            sources: HashMap::new(),
            limits: BatchLimits { bytes: 1 << 20, records: 7 },
            splitter: uncia_processing::Splitter::default(),
            max_wait: Duration::from_millis(1),
            watched: Vec::new(),
            accounts: Vec::new(),
        };
        (Arc::new(serving), WalIntake::new(wal))
    }

    async fn doors_landed(&self) -> Vec<usize> {
        let rows = self.lake.rows("logs.custom_door").await;
        let mut ids: Vec<_> = rows.iter().map(|(_, id)| id.clone()).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), rows.len(), "a row id appears twice");
        let mut doors: Vec<usize> = rows.iter().map(|(door, _)| door[1..].parse().unwrap()).collect();
        doors.sort_unstable();
        doors
    }
}

/// Waits until everything that a life held is let go, so that the next one is alone with the log.
async fn gone(serving: Weak<Serving>) {
    while serving.strong_count() > 0 {
        tokio::task::yield_now().await;
    }
}

async fn accept(intake: &WalIntake, body: String) {
    let received = Timestamp::from_seconds(1_700_000_000, 0);
    intake.accept(&"push".into(), Bytes::from(body), received).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lake_that_fails_delays_and_loses_nothing() {
    let ground = Ground::new().await;
    let (serving, intake) = ground.serving().await;
    ground.lake.failures.store(2, Ordering::SeqCst);
    let stop = CancellationToken::new();
    let running = tokio::spawn(serving.run(stop.clone(), |_| ()));
    for n in 0..20 {
        accept(&intake, doors(n * 5..n * 5 + 5)).await;
    }
    while ground.doors_landed().await.len() < 100 {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    running.await.unwrap().unwrap();
    assert_eq!(ground.doors_landed().await, (0..100).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn power_cuts_lose_nothing_accepted() {
    for seed in 0..40 {
        let ground = Ground::new().await;
        let mut accepted = 0;
        for life in 0..3 {
            let (serving, intake) = ground.serving().await;
            let (stop, life_of) = (CancellationToken::new(), Arc::downgrade(&serving));
            let running = tokio::spawn(serving.run(stop.clone(), |_| ()));
            for _ in 0..6 {
                accept(&intake, doors(accepted..accepted + 3)).await;
                accepted += 3;
            }
            // The process dies at some point of its work, and the disk forgets what was not synced.
            for _ in 0..(seed * 7 + life * 3) % 40 {
                tokio::task::yield_now().await;
            }
            running.abort();
            assert!(running.await.is_err_and(|error| error.is_cancelled()));
            drop(intake);
            gone(life_of).await;
            ground.disk.crash(seed * 3 + life);
        }
        let (serving, intake) = ground.serving().await;
        let stop = CancellationToken::new();
        stop.cancel();
        serving.run(stop, |_| ()).await.unwrap();
        drop(intake);
        assert_eq!(ground.doors_landed().await, (0..accepted).collect::<Vec<_>>(), "SEED={seed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_payload_over_many_batches_goes_on_where_it_was() {
    let ground = Ground::new().await;
    let (serving, intake) = ground.serving().await;
    accept(&intake, doors(0..100) + "no door\n" + &doors(100..120)).await;
    let (stop, life_of) = (CancellationToken::new(), Arc::downgrade(&serving));
    let first = tokio::spawn(serving.run(stop.clone(), |_| ()));
    while ground.doors_landed().await.is_empty() {
        tokio::task::yield_now().await;
    }
    first.abort();
    let _ = first.await;
    drop(intake);
    gone(life_of).await;
    let (serving, intake) = ground.serving().await;
    let stop = CancellationToken::new();
    stop.cancel();
    serving.run(stop, |_| ()).await.unwrap();
    drop(intake);
    assert_eq!(ground.doors_landed().await, (0..120).collect::<Vec<_>>());
    let failures = ground.lake.rows("monitor.classification_failures").await;
    assert_eq!(failures.iter().map(|(reason, _)| reason.as_str()).collect::<Vec<_>>(), ["not_json"]);
}
