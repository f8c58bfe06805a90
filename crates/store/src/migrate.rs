//! Numbered migrations, embedded, applied in one transaction each.
//!
//! A list of our own rather than the driver's macro: the list is visible, a new file without its line fails a test, and
//! opening an up-to-date store only reads, so that a second process can open it while the first one writes.

use std::path::Path;

use sqlx::{Connection, SqliteConnection};

use crate::StoreError;

struct Migration {
    number: i64,
    name: &'static str,
    sql: &'static str,
}

macro_rules! migrations {
    ($($number:literal $name:literal)*) => {
        &[$(Migration {
            number: $number,
            name: $name,
            sql: include_str!(concat!("../migrations/sqlite/", $name, ".sql")),
        }),*]
    };
}

const MIGRATIONS: &[Migration] = migrations! {
    1 "0001_first_light"
    2 "0002_filters"
    3 "0003_schema_revisions"
    4 "0004_pulls"
    5 "0005_sealed"
    6 "0006_posture"
    7 "0007_alarms"
};

const ACTION: &str = "bring the store up to date";

/// The newest migration this program knows.
fn newest() -> i64 {
    MIGRATIONS.last().map_or(0, |migration| migration.number)
}

/// Fails unless the store is exactly as new as this program; `false` for an empty or older database.
pub(crate) async fn is_current(connection: &mut SqliteConnection, path: &Path) -> Result<bool, StoreError> {
    let applied = applied(connection, path).await?;
    if applied > newest() {
        return Err(StoreError::Newer { path: path.to_path_buf(), what: "migration", found: applied, known: newest() });
    }
    Ok(applied == newest())
}

/// Applies what is missing.
pub(crate) async fn migrate(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    if is_current(connection, path).await? {
        return Ok(());
    }
    let failed = |source| StoreError::of(ACTION, path, source);
    for migration in MIGRATIONS {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        // Asked again under the lock: another process may have been faster.
        if applied(&mut transaction, path).await? >= migration.number {
            continue;
        }
        sqlx::raw_sql("CREATE TABLE IF NOT EXISTS migrations (number BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL)")
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        sqlx::raw_sql(migration.sql).execute(&mut *transaction).await.map_err(failed)?;
        sqlx::query("INSERT INTO migrations (number, name) VALUES (?, ?)")
            .bind(migration.number)
            .bind(migration.name)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
    }
    Ok(())
}

async fn applied(connection: &mut SqliteConnection, path: &Path) -> Result<i64, StoreError> {
    let failed = |source| StoreError::of("read the store's version", path, source);
    let tables: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'migrations'")
            .fetch_one(&mut *connection)
            .await
            .map_err(failed)?;
    if tables == 0 {
        return Ok(0);
    }
    sqlx::query_scalar("SELECT coalesce(max(number), 0) FROM migrations")
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_listed_in_order() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite");
        let mut files: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        let listed: Vec<String> = MIGRATIONS.iter().map(|migration| format!("{}.sql", migration.name)).collect();
        assert_eq!(files, listed);
        for (index, migration) in MIGRATIONS.iter().enumerate() {
            assert_eq!(migration.number, index as i64 + 1);
            assert!(migration.name.starts_with(&format!("{:04}_", migration.number)));
        }
    }
}
