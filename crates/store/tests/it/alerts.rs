//! Triage: what is listed, in which order, and what a user sets stays.

use uncia_model::{Alert, AlertId, AlertKind, AlertStatus, Severity};
use uncia_store::{AlertFilter, AlertPage, BatchCommit, CommitOutcome, Store};

use crate::shape::{alert, batch, store};

/// Five alerts; the newest is not visible yet.
async fn filled() -> (tempfile::TempDir, Store) {
    let (dir, store) = store().await;
    let alerts = vec![
        alert("a", 100),
        Alert { severity: Severity::Low, log_types: vec!["Okta.SystemLog".into()], ..alert("b", 200) },
        Alert { kind: AlertKind::RuleError, detection: "Other".into(), ..alert("c", 300) },
        Alert { status: AlertStatus::Closed, severity: Severity::Critical, ..alert("d", 300) },
        Alert { visible: false, threshold: 5, ..alert("e", 400) },
    ];
    let commit = BatchCommit { alerts, ..batch("one", 0) };
    assert_eq!(store.commit(&commit).await.unwrap(), CommitOutcome::Committed);
    (dir, store)
}

fn all() -> AlertFilter {
    AlertFilter::default()
}

#[tokio::test]
async fn filters() {
    let (_dir, store) = filled().await;
    let cases = [
        (all(), "d c b a"),
        (AlertFilter { hidden_too: true, ..all() }, "e d c b a"),
        (AlertFilter { limit: Some(2), ..all() }, "d c"),
        (AlertFilter { statuses: vec![AlertStatus::Closed], ..all() }, "d"),
        (AlertFilter { statuses: vec![AlertStatus::Closed, AlertStatus::Open], ..all() }, "d c b a"),
        (AlertFilter { severities: vec![Severity::Low, Severity::Critical], ..all() }, "d b"),
        (AlertFilter { kinds: vec![AlertKind::RuleError], ..all() }, "c"),
        (AlertFilter { detections: vec!["Other".into()], ..all() }, "c"),
        (AlertFilter { detections: vec!["'; DROP TABLE alerts; --".into()], ..all() }, ""),
        (AlertFilter { log_types: vec!["Okta.SystemLog".into()], ..all() }, "b"),
        (AlertFilter { log_types: vec!["AWS.ALB".into(), "AWS.CloudTrail".into()], ..all() }, "d c a"),
        (AlertFilter { created_from_micros: Some(200), created_before_micros: Some(300), ..all() }, "b"),
        (AlertFilter { after: Some(AlertPage { created_micros: 300, id: "d".into() }), ..all() }, "c b a"),
    ];
    for (filter, expected) in cases {
        let found = store.alerts(&filter).await.unwrap();
        let ids: Vec<&str> = found.iter().map(|alert| alert.id.as_str()).collect();
        assert_eq!(ids.join(" "), expected, "{filter:?}");
        let counted: u64 = store.count_alerts(&filter).await.unwrap().values().sum();
        if filter.limit.is_none() && filter.after.is_none() {
            assert_eq!(counted, found.len() as u64);
        }
    }
    let counts = store.count_alerts(&all()).await.unwrap();
    assert_eq!(
        counts.into_iter().collect::<Vec<_>>(),
        [(Severity::Low, 1), (Severity::High, 2), (Severity::Critical, 1)]
    );
}

#[tokio::test]
async fn pages_cover_everything_once() {
    let (_dir, store) = store().await;
    let alerts: Vec<Alert> = (0..700).map(|number| alert(&format!("{number:03}"), number / 10)).collect();
    let commit = BatchCommit { alerts: alerts.clone(), ..batch("one", 0) };
    assert_eq!(store.commit(&commit).await.unwrap(), CommitOutcome::Committed);
    let mut filter = AlertFilter { limit: Some(33), ..all() };
    let mut seen = Vec::new();
    loop {
        let page = store.alerts(&filter).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.after = Some(AlertPage::from(last));
        seen.extend(page);
    }
    seen.reverse();
    assert_eq!(seen, alerts);
    let ids: Vec<AlertId> = alerts.iter().map(|alert| alert.id.clone()).collect();
    assert_eq!(store.alerts_by_id(&ids).await.unwrap().len(), 700);
}

#[tokio::test]
async fn what_a_user_set_outlives_the_next_batch() {
    let (_dir, store) = filled().await;
    let id = AlertId::from("a");
    assert_eq!(store.set_alert_status(&[id.clone(), "none".into()], AlertStatus::Triaged, 900).await.unwrap(), 1);
    assert_eq!(store.alert(&id).await.unwrap().unwrap().updated_micros, 900);

    let grown = Alert { event_count: 9, log_types: vec!["Box.Event".into()], updated_micros: 950, ..alert("a", 100) };
    let commit = BatchCommit { alerts: vec![grown], ..batch("two", 0) };
    assert_eq!(store.commit(&commit).await.unwrap(), CommitOutcome::Committed);
    let stored = store.alert(&id).await.unwrap().unwrap();
    assert_eq!((stored.status, stored.event_count, stored.updated_micros), (AlertStatus::Triaged, 9, 950));
    let log_types: Vec<&str> = stored.log_types.iter().map(|log_type| log_type.as_str()).collect();
    assert_eq!(log_types, ["AWS.ALB", "AWS.CloudTrail", "Box.Event"]);
    assert_eq!(store.alert(&"none".into()).await.unwrap(), None);
}
