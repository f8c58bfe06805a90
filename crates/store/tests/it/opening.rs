//! Opening: anew, again, beside another process, and what it says when it cannot.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use uncia_store::{BatchCommit, CommitOutcome, FORMAT_VERSION, Store, StoreError};

use crate::shape::{alert, batch, step, store, table};

async fn raw(path: &Path) -> sqlx::SqlitePool {
    sqlx::SqlitePool::connect(&format!("sqlite://{}", path.display())).await.unwrap()
}

#[tokio::test]
async fn what_was_committed_is_there_after_dropping() {
    let (dir, store) = store().await;
    let path = dir.path().join("store.sqlite");
    let commit = BatchCommit { moves: vec![step("t", None, "m1")], ..batch("one", 0) };
    assert_eq!(store.commit(&commit).await.unwrap(), CommitOutcome::Committed);
    drop(store);
    let store = Store::open(&path).await.unwrap();
    assert_eq!(store.pointer(&table("t")).await.unwrap().as_deref(), Some("m1"));
    assert!(store.is_committed(&commit.id).await.unwrap());
    store.check().await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn durability_is_what_we_ask_for() {
    let (dir, store) = store().await;
    store.set_fact("a", "b").await.unwrap();
    store.set_fact("a", "c").await.unwrap();
    assert_eq!(store.fact("a").await.unwrap().as_deref(), Some("c"));
    assert_eq!(store.fact("format_version").await.unwrap(), Some(FORMAT_VERSION.to_string()));
    assert!(dir.path().join("store.sqlite-wal").try_exists().unwrap());
}

const READER: &str = "UNCIA_STORE_TEST_READ";

/// Not a test by itself: the second process of the next one.
#[tokio::test]
async fn second_process() {
    let Ok(path) = std::env::var(READER) else { return };
    let store = Store::open_to_read(Path::new(&path)).await.unwrap();
    assert_eq!(store.pointer(&table("t")).await.unwrap().as_deref(), Some("m1"));
    let refused = store.set_fact("a", "b").await.unwrap_err().to_string();
    assert!(refused.contains("cannot be opened or written"), "{refused}");
    // A second process may also write, if nobody holds the lock for long.
    let store = Store::open(Path::new(&path)).await.unwrap();
    store.set_fact("written by", "the second").await.unwrap();
}

#[tokio::test]
async fn a_second_process_reads_while_the_first_is_open() {
    let (dir, store) = store().await;
    let path = dir.path().join("store.sqlite");
    let commit = BatchCommit { moves: vec![step("t", None, "m1")], ..batch("one", 0) };
    assert_eq!(store.commit(&commit).await.unwrap(), CommitOutcome::Committed);
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["opening::second_process", "--exact", "--nocapture"])
        .env(READER, &path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(store.fact("written by").await.unwrap().as_deref(), Some("the second"));
}

#[tokio::test]
async fn readers_do_not_wait_for_a_writer() {
    let (dir, store) = store().await;
    let path = dir.path().join("store.sqlite");
    let pool = raw(&path).await;
    let mut writer = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    sqlx::query("INSERT INTO facts VALUES ('half', 'done')").execute(&mut *writer).await.unwrap();
    let second = Store::open_to_read(&path).await.unwrap();
    assert_eq!(second.fact("half").await.unwrap(), None);
    assert_eq!(store.fact("half").await.unwrap(), None);
    writer.commit().await.unwrap();
    assert_eq!(second.fact("half").await.unwrap().as_deref(), Some("done"));
}

#[tokio::test]
async fn nothing_to_read_yet() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.sqlite");
    assert!(matches!(Store::open_to_read(&path).await, Err(StoreError::Absent { .. })));
    std::fs::write(&path, b"").unwrap();
    assert!(matches!(Store::open_to_read(&path).await, Err(StoreError::Absent { .. })));
    Store::open(&path).await.unwrap();
    Store::open_to_read(&path).await.unwrap();
}

#[tokio::test]
async fn a_newer_store_is_refused() {
    for (statement, message) in [
        (
            "INSERT INTO migrations (number, name) VALUES (99, 'later')",
            "was written by a newer uncia (migration 99, this one knows ",
        ),
        (
            "UPDATE facts SET value = '9' WHERE name = 'format_version'",
            "was written by a newer uncia (data format 9, this one knows ",
        ),
    ] {
        let (dir, store) = store().await;
        let path = dir.path().join("store.sqlite");
        store.close().await;
        sqlx::query(statement).execute(&raw(&path).await).await.unwrap();
        for refused in [Store::open(&path).await, Store::open_to_read(&path).await] {
            let refused = refused.unwrap_err().to_string();
            assert!(refused.contains(message) && refused.ends_with("): use that version"), "{refused}");
        }
    }
}

#[tokio::test]
async fn what_is_no_store_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.sqlite");
    std::fs::write(&path, "this is no database, however long it is. ".repeat(100)).unwrap();
    let refused = Store::open(&path).await.unwrap_err();
    assert!(matches!(refused, StoreError::Corrupt { .. }), "{refused}");
    assert!(refused.to_string().contains("restore it from a backup"));
    let refused = Store::open(&dir.path().join("missing/store.sqlite")).await.unwrap_err();
    assert!(matches!(refused, StoreError::Access { .. }), "{refused}");
}

#[tokio::test]
async fn a_damaged_page_is_told() {
    let (dir, store) = store().await;
    let alerts = (0..500).map(|number| alert(&format!("a{number}"), number)).collect();
    let commit = BatchCommit { alerts, ..batch("one", 0) };
    assert_eq!(store.commit(&commit).await.unwrap(), CommitOutcome::Committed);
    store.close().await;
    let path = dir.path().join("store.sqlite");
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    let len = file.metadata().unwrap().len();
    // The first pages hold the beginnings of the tables, which opening reads.
    for page in (4096 * 64..len).step_by(4096) {
        file.write_all_at(&[0xff; 64], page).unwrap();
    }
    let store = Store::open(&path).await.unwrap();
    assert!(matches!(store.check().await, Err(StoreError::Corrupt { .. })));
    let refused = store.alerts(&Default::default()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Corrupt { .. }), "{refused}");
}
