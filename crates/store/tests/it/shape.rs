//! Stores in a directory of their own, and nouns that are quick to make.

use tempfile::TempDir;
use uncia_model::{
    Alert, AlertId, AlertKind, AlertStatus, BatchId, Database, PointerMove, Severity, TableRef, Window, WindowKey,
};
use uncia_store::{BatchCommit, Store};

pub(crate) async fn store() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store.sqlite")).await.unwrap();
    (dir, store)
}

pub(crate) fn batch(name: &str, sealed_micros: i64) -> BatchCommit {
    BatchCommit::new(BatchId::of(&[name]), sealed_micros)
}

pub(crate) fn table(name: &str) -> TableRef {
    TableRef::new(Database::Logs, name)
}

pub(crate) fn step(name: &str, from: Option<&str>, to: &str) -> PointerMove {
    PointerMove { table: table(name), from: from.map(str::to_owned), to: to.to_owned() }
}

pub(crate) fn alert(id: &str, created_micros: i64) -> Alert {
    Alert {
        id: AlertId::new(id),
        kind: AlertKind::Rule,
        detection: "AWS.Console.Login".into(),
        title: format!("title of {id}"),
        dedup: "someone".into(),
        severity: Severity::High,
        status: AlertStatus::Open,
        description: "d".into(),
        reference: "r".into(),
        runbook: "b".into(),
        context: Some("{\"a\":1}".into()),
        log_types: vec!["AWS.ALB".into(), "AWS.CloudTrail".into()],
        event_count: 1,
        threshold: 1,
        visible: true,
        created_micros,
        updated_micros: created_micros,
    }
}

pub(crate) fn key(detection: &str, dedup: &str) -> WindowKey {
    WindowKey { detection: detection.into(), dedup: dedup.to_owned(), kind_is_error: false }
}

pub(crate) fn window(key: WindowKey, alert: &str, count: u64) -> Window {
    Window { key, start_micros: 7, alert: alert.into(), count, uniques: vec![0, 1, 255] }
}
