//! Instants of schedules: each done once, across restarts and jumps of the clock; missed ones made up for by one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use uncia_alerting::{Deduplicator, Facts, Routes};
use uncia_detection::{Content, ContentRoot};
use uncia_document::{Interner, Timestamp};
use uncia_model::{AlertKind, ManualClock};
use uncia_pipeline::{Generation, Parts, Scheduler, Walk};
use uncia_processing::SchemaSet;
use uncia_store::{AlertFilter, Store};

use crate::lake::FakeLake;

const HOUR: Duration = Duration::from_secs(3_600);

/// A correlation rule and a query, which this lake cannot answer, with its rule.
fn content() -> Content {
    let schedule = "Schedule: {RateMinutes: 60, TimeoutMinutes: 5}";
    let files = [
        (
            "correlation_rules/c.yml",
            format!(
                "AnalysisType: correlation_rule\nRuleID: C\nEnabled: true\nSeverity: Low\n\
                 Detection: [{{Group: [{{RuleID: A}}], {schedule}}}]\n"
            ),
        ),
        (
            "queries/q.yml",
            format!("AnalysisType: scheduled_query\nQueryName: Q\nEnabled: true\nQuery: SELECT 1\n{schedule}\n"),
        ),
        (
            "rules/s.yml",
            "AnalysisType: scheduled_rule\nRuleID: S\nEnabled: true\nSeverity: Low\nScheduledQueries: [Q]\n\
             Detection: [{Condition: AlwaysTrue}]\n"
                .to_owned(),
        ),
    ];
    let files = files.into_iter().map(|(path, text)| (path.to_owned(), text.into_bytes()));
    let content = Content::load([files.collect::<ContentRoot>()]);
    assert!(content.problems.is_empty(), "{:?}", content.problems);
    content
}

fn scheduler(
    store: &Arc<Store>,
    lake: &Arc<FakeLake>,
    clock: &Arc<ManualClock>,
    folder: &std::path::Path,
) -> Scheduler {
    let walk = Walk::new(Parts {
        lake: lake.clone(),
        store: store.clone(),
        generation: Generation {
            number: 1,
            detections: None,
            deduplicator: Deduplicator::new(Facts::new(), Routes::default()),
            controls: Arc::default(),
        },
        schemas: Arc::new(SchemaSet::default()),
        discovered: Vec::new(),
        filters: Arc::default(),
        interner: Interner::new(),
        clock: clock.clone(),
        blobs: folder.to_owned(),
        threads: 1,
    });
    Scheduler::new(Arc::new(walk), &content())
}

/// Names and minutes of what ran.
async fn due(scheduler: &Scheduler) -> Vec<String> {
    let ran = Mutex::new(Vec::new());
    scheduler
        .run_due(&|run: &uncia_pipeline::Ran| {
            assert!(!run.before);
            ran.lock().unwrap().push(format!("{} {}", run.name, &run.at.to_string()[11..16]));
        })
        .await;
    ran.into_inner().unwrap()
}

#[tokio::test]
async fn each_instant_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(&folder.path().join("store.sqlite")).await.unwrap());
    let lake = FakeLake::new(store.clone());
    // 1970-01-02, 00:30.
    let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(88_200, 0)));
    let first = scheduler(&store, &lake, &clock, folder.path());
    assert_eq!(due(&first).await, ["Q 00:00", "C 00:00"]);
    assert_eq!(due(&first).await, [""; 0]);
    // Three instants have passed: one run, for the latest, by whoever looks first.
    clock.advance(3 * HOUR);
    let restarted = scheduler(&store, &lake, &clock, folder.path());
    assert_eq!(due(&restarted).await, ["Q 03:00", "C 03:00"]);
    assert_eq!(due(&first).await, [""; 0]);
    // A clock that goes back runs nothing again.
    clock.set(Timestamp::from_seconds(88_200, 0));
    assert_eq!(due(&first).await, [""; 0]);
    clock.advance(4 * HOUR);
    // A lake that fails leaves the run due.
    lake.failures.store(1, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(due(&first).await, ["C 04:00"]);
    assert_eq!(due(&first).await, ["Q 04:00"]);
    // By hand, beside the schedule.
    let by_hand = first.run_one("S", Timestamp::from_seconds(90_000, 0)).await.unwrap().unwrap();
    assert_eq!((by_hand.name.as_str(), by_hand.before), ("Q", false));
    assert!(first.run_one("S", Timestamp::from_seconds(90_001, 0)).await.unwrap().unwrap().before);
    assert_eq!(due(&first).await, [""; 0]);
    // What cannot be answered is an error of the rule, with an alert.
    assert!(by_hand.problem.unwrap().contains("this lake answers no questions"));
    let alerts = store.alerts(&AlertFilter::default()).await.unwrap();
    let kinds: Vec<_> = alerts.iter().map(|alert| (alert.kind, alert.detection.to_string())).collect();
    assert!(kinds.contains(&(AlertKind::RuleError, "S".to_owned())), "{kinds:?}");
}
