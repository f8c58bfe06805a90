//! Commits one after the other, twice, at the same time, and left half done.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use uncia_lake::Lake;
use uncia_model::ColumnType;

use crate::fixture::{Fixture, HastyDisk, row, schema, table};

/// Names of the files below a directory, hidden ones too.
pub(crate) fn files(directory: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![directory.to_path_buf()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            } else {
                found.insert(entry.file_name().to_string_lossy().into_owned());
            }
        }
    }
    found
}

fn parquet_files(fixture: &Fixture) -> usize {
    files(fixture.directory.path()).iter().filter(|name| name.ends_with(".parquet")).count()
}

#[tokio::test]
async fn a_batch_lands_once() {
    let fixture = Fixture::new();
    let kinds = schema(vec![("n", ColumnType::Int)]);
    let rows = || vec![row(1, json!({"n": 1})), row(2, json!({"n": 2}))];
    let moves = fixture.stage("one", &kinds, rows()).await.unwrap();
    assert!(fixture.info().await.is_none(), "staging shows nothing");
    let again = fixture.stage("one", &kinds, rows()).await.unwrap();
    assert_eq!(moves[0].from, again[0].from);
    assert_eq!(parquet_files(&fixture), 1, "a replay writes over what it left behind");

    assert!(fixture.catalog.apply(&again));
    assert!(fixture.stage("one", &kinds, rows()).await.unwrap().is_empty());
    assert!(fixture.stage("none", &kinds, Vec::new()).await.unwrap().is_empty());
    assert_eq!(fixture.info().await.unwrap().rows, 2);
}

#[tokio::test]
async fn of_two_commits_at_once_one_is_told() {
    let fixture = Fixture::new();
    let kinds = schema(vec![("n", ColumnType::Int)]);
    fixture.land("zero", &kinds, vec![row(0, json!({"n": 0}))]).await;
    let first = fixture.stage("one", &kinds, vec![row(1, json!({"n": 1}))]).await.unwrap();
    let second = fixture.stage("two", &kinds, vec![row(2, json!({"n": 2}))]).await.unwrap();
    assert!(fixture.catalog.apply(&first));
    assert!(!fixture.catalog.apply(&second));
    fixture.land("two", &kinds, vec![row(2, json!({"n": 2}))]).await;
    assert_eq!(fixture.info().await.unwrap().rows, 3);
}

#[tokio::test]
async fn leftovers_of_a_crash_are_nobodys() {
    let fixture = Fixture::new();
    let kinds = schema(vec![("n", ColumnType::Int)]);
    fixture.land("one", &kinds, vec![row(1, json!({"n": 1}))]).await;
    fixture.stage("lost", &kinds, vec![row(2, json!({"n": 2}))]).await.unwrap();
    let data = fixture.directory.path().join("lake/logs/test_events/data");
    std::fs::write(data.join(".half.parquet.tmp"), b"PAR1").unwrap();

    let lake = fixture.reopened();
    let info = lake.tables().await.unwrap().remove(0);
    assert_eq!((info.rows, info.files), (1, 1));
    fixture.land("two", &kinds, vec![row(3, json!({"n": 3}))]).await;
    assert_eq!(lake.tables().await.unwrap()[0].rows, 2);
}

#[tokio::test]
async fn history_is_bounded_and_totals_are_right() {
    let fixture = Fixture::on(Arc::new(HastyDisk));
    let kinds = schema(vec![("n", ColumnType::Int)]);
    let commits = 130;
    for n in 0..commits {
        fixture.land(&format!("batch {n}"), &kinds, vec![row(n, json!({"n": n}))]).await;
    }
    // The first batch's snapshot is gone; its file still tells.
    assert!(fixture.stage("batch 0", &kinds, vec![row(0, json!({"n": 0}))]).await.unwrap().is_empty());

    let cold = fixture.reopened();
    let loaded = cold.snapshots().load(&table()).await.unwrap().unwrap();
    assert_eq!((loaded.rows(), loaded.files.len()), (commits as u64, commits as usize));
    assert_eq!(loaded.metadata.snapshots().len(), 100);
    let summary = &loaded.metadata.current_snapshot().unwrap().summary().additional_properties;
    assert_eq!(summary["total-records"], commits.to_string());
    assert_eq!(summary["total-data-files"], commits.to_string());
    assert_eq!(summary["added-records"], "1");
    let list = loaded.metadata.current_snapshot().unwrap().manifest_list().trim_start_matches("file://").to_owned();
    assert!(std::fs::metadata(list).unwrap().len() < 20_000, "manifests are merged");
    let warm = fixture.lake.snapshots().load(&table()).await.unwrap().unwrap();
    assert_eq!(format!("{:?}", warm.files), format!("{:?}", loaded.files));
}

#[tokio::test]
async fn vacuum_removes_what_nothing_leads_to() {
    let fixture = Fixture::on(Arc::new(HastyDisk));
    let kinds = schema(vec![("n", ColumnType::Int)]);
    for n in 0..30 {
        fixture.land(&format!("batch {n}"), &kinds, vec![row(n, json!({"n": n}))]).await;
    }
    fixture.stage("lost", &kinds, vec![row(99, json!({"n": 99}))]).await.unwrap();
    let before = files(fixture.directory.path());

    // The fixture's clock is ahead of the disk's, so a grace of decades is the one that keeps all.
    let decades = Duration::from_secs(40 * 365 * 86_400);
    assert_eq!(fixture.lake.vacuum(decades).await.unwrap().files, 0);
    let removed = fixture.lake.vacuum(Duration::ZERO).await.unwrap();
    let after = files(fixture.directory.path());
    assert_eq!(before.len() - after.len(), removed.files as usize);
    // Of the lost batch a data file, a manifest, a list and a metadata file; of the history all but the newest 21 versions.
    assert_eq!(removed.files, 4 + 9);
    let info = fixture.reopened().tables().await.unwrap().remove(0);
    assert_eq!(info.rows, 30);
    let loaded = fixture.lake.snapshots().load(&table()).await.unwrap().unwrap();
    for snapshot in loaded.metadata.snapshots() {
        assert!(Path::new(snapshot.manifest_list().trim_start_matches("file://")).is_file(), "the past is readable");
    }
    fixture.land("next", &kinds, vec![row(31, json!({"n": 31}))]).await;
    assert_eq!(fixture.info().await.unwrap().rows, 31);
}
