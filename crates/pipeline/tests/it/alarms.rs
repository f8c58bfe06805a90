//! Troubles of sources: told once, ended with the trouble, and not told for what passes by itself.

use std::sync::Arc;
use std::time::Duration;

use uncia_alerting::{Route, Routes};
use uncia_document::Timestamp;
use uncia_model::{AlertKind, AlertStatus, BatchId, ManualClock, SourceId};
use uncia_pipeline::Walk;
use uncia_pipeline::alarm::{PulledViews, Silence, judge_pull, look_for_silence};
use uncia_snowflake::Error;
use uncia_snowflake::views::AUDIT_VIEWS;
use uncia_sources::SnowflakeSourceConfig;
use uncia_sources::snowflake::{PullError, Pulled};
use uncia_store::{AlertFilter, BatchCommit, Counter, PullNote, Store};

use crate::lake::FakeLake;

const HOUR: i64 = 3_600_000_000;
const START: i64 = 1_700_000_000_000_000;

struct Place {
    store: Arc<Store>,
    clock: Arc<ManualClock>,
    walk: Walk,
    _folder: tempfile::TempDir,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(&folder.path().join("store.db")).await.unwrap());
        let clock = Arc::new(ManualClock::at(Timestamp::from_micros(START)));
        // Subscribed to system errors by name, whatever their severity.
        let operations = Route {
            id: "operations".into(),
            name: "Operations".to_owned(),
            severities: Vec::new(),
            alert_types: vec![AlertKind::SystemError],
            log_types: Vec::new(),
        };
        let lake = FakeLake::new(store.clone());
        let walk = crate::walk_by(clock.clone(), Routes::new(vec![operations]), store.clone(), lake, folder.path());
        Self { store, clock, walk, _folder: folder }
    }

    fn at(&self, hours: i64) {
        self.clock.set(Timestamp::from_micros(START + hours * HOUR));
    }

    /// Kinds, subjects and states of all alerts, oldest first, with the number of deliveries.
    async fn told(&self) -> Vec<String> {
        let mut told = Vec::new();
        for alert in self.store.alerts(&AlertFilter::default()).await.unwrap() {
            assert_eq!(alert.kind, AlertKind::SystemError);
            let deliveries = self.store.deliveries_of(&alert.id).await.unwrap().len();
            let status = if alert.status == AlertStatus::Open { "open" } else { "over" };
            told.push(format!("{} {} {status} {deliveries}", alert.detection, alert.dedup));
        }
        told.reverse();
        told
    }

    async fn event(&self, source: &SourceId, hour: i64) {
        let counter = Counter {
            source: source.clone(),
            log_type: Some("Custom.Door".into()),
            events: 1,
            failures: 0,
            bytes: 1,
            oversized: 0,
            filtered: 0,
            filtered_bytes: 0,
        };
        let id = BatchId::of(&["event", &hour.to_string()]);
        let commit = BatchCommit { counters: vec![counter], ..BatchCommit::new(id, START + hour * HOUR) };
        let _ = self.store.commit(&commit).await.unwrap();
    }
}

#[tokio::test]
async fn silence_is_told_once_and_ends_with_the_next_event() {
    let place = Place::new().await;
    let source = SourceId::from("okta");
    let sources = [Silence { source: source.clone(), allowed: Duration::from_secs(24 * 3_600) }];
    let look = async |hours| {
        place.at(hours);
        look_for_silence(&place.walk, &sources).await.unwrap();
        place.told().await
    };
    // One that has never sent anything is silent since it is known.
    assert!(look(0).await.is_empty());
    assert!(look(24).await.is_empty());
    let never = ["SOURCE_NO_DATA okta open 1"];
    assert_eq!(look(25).await, never);
    assert_eq!(look(26).await, never);
    place.event(&source, 27).await;
    assert_eq!(look(28).await, ["SOURCE_NO_DATA okta over 1"]);
    assert_eq!(look(51).await.len(), 1);
    // The next silence is another alert.
    assert_eq!(look(52).await, ["SOURCE_NO_DATA okta over 1", "SOURCE_NO_DATA okta open 1"]);
    let newest = &place.store.alerts(&AlertFilter::default()).await.unwrap()[0];
    assert_eq!(newest.title, "Source okta sends nothing");
    assert!(newest.description.starts_with("The last events came at 2023-11-16 "), "{}", newest.description);
}

fn account() -> SnowflakeSourceConfig {
    let text = r#"{"id": "sf", "account": "acme-main", "warehouse": "WH", "interval_minutes": 60}"#;
    serde_json::from_str(text).unwrap()
}

fn unreachable() -> PullError {
    PullError::Snowflake(Error::Unreachable { host: "acme-main".to_owned(), detail: "no route".to_owned() })
}

fn refused() -> PullError {
    let said = "gone".to_owned();
    PullError::Snowflake(Error::Reauthorise { identity: "READER".to_owned(), said })
}

fn one(pulled: Result<Pulled, PullError>) -> PulledViews {
    Ok(vec![(&AUDIT_VIEWS[0], pulled)])
}

#[tokio::test]
async fn refusals_are_told_at_once_and_passing_trouble_later() {
    let place = Place::new().await;
    let config = account();
    let judge = async |hours, pulled: PulledViews| {
        place.at(hours);
        if let Ok(views) = &pulled {
            for (view, pulled) in views {
                let checked = pulled.is_ok().then_some(START + hours * HOUR);
                let note = PullNote { checked_micros: checked, ..PullNote::default() };
                place.store.note_pull(&config.id, &view.feed(), &note).await.unwrap();
            }
        }
        judge_pull(&place.walk, &config, &pulled).await;
        place.told().await
    };
    assert!(judge(0, one(Ok(Pulled::default()))).await.is_empty());
    // What is read by another clock, or not any more, says nothing of the views.
    for feed in [uncia_pipeline::posture::FEED, "USERS/state", "GRANTS_TO_USERS"] {
        let note = PullNote { checked_micros: Some(START - 48 * HOUR), ..PullNote::default() };
        place.store.note_pull(&config.id, feed, &note).await.unwrap();
    }
    // A host that does not answer for a while is nobody's business.
    assert!(judge(1, Err(unreachable())).await.is_empty());
    assert!(judge(3, one(Err(unreachable()))).await.is_empty());
    assert_eq!(judge(4, Err(unreachable())).await, ["SOURCE_LOG_PROCESSING_ERRORS sf open 1"]);
    // Trouble of ours says nothing of the account.
    assert_eq!(judge(5, one(Err(PullError::NotCommitted))).await.len(), 1);
    // An ended consent is.
    let both = ["SOURCE_LOG_PROCESSING_ERRORS sf over 1", "SOURCE_PERMISSIONS_CHECKS sf open 1"];
    assert_eq!(judge(6, Err(refused())).await, both);
    let newest = &place.store.alerts(&AlertFilter::default()).await.unwrap()[0];
    assert!(newest.description.contains("uncia snowflake authorise"), "{}", newest.description);
    // Not reaching the account does not mean that it lets us in again.
    assert_eq!(judge(7, Err(unreachable())).await[1], both[1]);
    let over = judge(8, one(Ok(Pulled::default()))).await;
    assert!(over.iter().all(|told| told.contains(" over ")), "{over:?}");

    // Rows too large: once a day.
    let stubs = || one(Ok(Pulled { stubs: 2, ..Pulled::default() }));
    let count = over.len();
    assert_eq!(judge(9, stubs()).await.len(), count + 1);
    assert_eq!(judge(32, stubs()).await.len(), count + 1);
    assert_eq!(judge(34, stubs()).await.len(), count + 2);
}
