//! Opening the database, and its connections: one that writes, a few that read.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, Sqlite, SqlitePool, Transaction};

use crate::{StoreError, facts, migrate};

/// How long a statement waits for another process's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a call waits for a free connection: longer than any statement may wait for a lock.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(60);
const READERS: u32 = 4;

/// The store. Cheap to clone; all clones share the connections.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) path: Arc<Path>,
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Store {
    /// Opens the database file, making and migrating it as needed. Its directory must be there.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = options(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // FULL: a commit that was answered survives the loss of power.
            .synchronous(SqliteSynchronous::Full);
        let writer = pool(1).connect_with(options).await.map_err(|e| StoreError::of("open the store", path, e))?;
        let mut connection = writer.acquire().await.map_err(|e| StoreError::of("open the store", path, e))?;
        migrate::migrate(&mut connection, path).await?;
        facts::check_format(&mut connection, path).await?;
        drop(connection);
        Ok(Self { path: path.into(), writer, readers: readers(path) })
    }

    /// Opens a store that another process may be writing to. Calls that change something fail.
    pub async fn open_to_read(path: &Path) -> Result<Self, StoreError> {
        let present = std::fs::metadata(path).is_ok();
        if !present {
            return Err(StoreError::Absent { path: path.to_path_buf() });
        }
        let readers = readers(path);
        let mut connection = readers.acquire().await.map_err(|e| StoreError::of("open the store", path, e))?;
        if !migrate::is_current(&mut connection, path).await? {
            return Err(StoreError::Absent { path: path.to_path_buf() });
        }
        facts::check_format(&mut connection, path).await?;
        drop(connection);
        Ok(Self { path: path.into(), writer: readers.clone(), readers })
    }

    /// Closes all connections; the write-ahead file of the database is folded in.
    pub async fn close(self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// The database file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.path.to_path_buf()
    }

    /// Asks the database to check itself; `uncia doctor` shows the answer. Reads every page.
    pub async fn check(&self) -> Result<(), StoreError> {
        let action = "check the store";
        let findings: Vec<String> =
            sqlx::query_scalar("PRAGMA quick_check").fetch_all(&self.readers).await.map_err(self.failed(action))?;
        if findings.len() == 1 && findings[0] == "ok" {
            return Ok(());
        }
        Err(StoreError::Corrupt { action, path: self.path(), detail: findings.join("; ") })
    }

    /// A transaction that holds the write lock from its first moment, so that what it reads cannot change under it.
    pub(crate) async fn write(&self, action: &'static str) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(self.failed(action))
    }

    /// A snapshot for reading.
    pub(crate) async fn read(&self, action: &'static str) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.readers.begin().await.map_err(self.failed(action))
    }

    /// Sorts a driver error under the action that met it.
    pub(crate) fn failed(&self, action: &'static str) -> impl Fn(sqlx::Error) -> StoreError + Copy + use<'_> {
        move |source| StoreError::of(action, &self.path, source)
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).foreign_keys(true).busy_timeout(BUSY_TIMEOUT)
}

fn pool(connections: u32) -> SqlitePoolOptions {
    // SQLite rolls back by itself when the disk is full or fails. The driver then takes the transaction for open and
    // refuses to begin another one on the connection for ever, so such a connection is replaced.
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .before_acquire(|connection, _| Box::pin(async { Ok(!connection.is_in_transaction()) }))
}

fn readers(path: &Path) -> SqlitePool {
    pool(READERS).connect_lazy_with(options(path).pragma("query_only", "ON"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_disk_is_told_and_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.sqlite");
        let store = Store::open(&path).await.unwrap();
        // SQLite answers as for a full disk when no page more is allowed than there are.
        sqlx::query("PRAGMA max_page_count = 1").execute(&store.writer).await.unwrap();
        let large = "x".repeat(100_000);
        let refused = store.set_fact("a", &large).await.unwrap_err();
        assert!(matches!(refused, StoreError::Full { .. }) && refused.is_transient(), "{refused}");
        let expected =
            format!("cannot note a fact: no space left for {}: free some space, nothing was changed", path.display());
        assert_eq!(refused.to_string(), expected);
        assert_eq!(store.fact("a").await.unwrap(), None);
        sqlx::query("PRAGMA max_page_count = 1000000").execute(&store.writer).await.unwrap();
        store.set_fact("a", &large).await.unwrap();
        store.check().await.unwrap();
    }

    #[tokio::test]
    async fn a_lock_that_is_held_too_long_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.sqlite");
        let store = Store::open(&path).await.unwrap();
        let other = Store::open(&path).await.unwrap();
        let held = other.write("hold the lock").await.unwrap();
        sqlx::query("PRAGMA busy_timeout = 1").execute(&store.writer).await.unwrap();
        let refused = store.set_fact("a", "b").await.unwrap_err();
        assert!(matches!(refused, StoreError::Locked { .. }), "{refused}");
        drop(held);
        other.set_fact("a", "b").await.unwrap();
    }

    #[tokio::test]
    async fn the_connections_are_set_up() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store.sqlite")).await.unwrap();
        for (pragma, expected) in [("journal_mode", "wal"), ("synchronous", "2"), ("foreign_keys", "1")] {
            let sql = sqlx::AssertSqlSafe(format!("SELECT CAST({pragma} AS TEXT) FROM pragma_{pragma}"));
            let value: String = sqlx::query_scalar(sql).fetch_one(&store.writer).await.unwrap();
            assert_eq!(value, expected, "{pragma}");
        }
    }
}
