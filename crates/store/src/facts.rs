//! Facts about the data directory as a whole: its format version, and what the commands note there.

use std::path::Path;

use sqlx::SqliteConnection;

use crate::{Store, StoreError};

/// The layout of the data directory (files beside the store, their names and formats) that this program reads and
/// writes. The store's own tables have migrations; this number is for everything else.
pub const FORMAT_VERSION: i64 = 1;

impl Store {
    /// The value of a fact.
    pub async fn fact(&self, name: &str) -> Result<Option<String>, StoreError> {
        let action = "read a fact";
        let mut snapshot = self.read(action).await?;
        sqlx::query_scalar("SELECT value FROM facts WHERE name = ?")
            .bind(name)
            .fetch_optional(&mut *snapshot)
            .await
            .map_err(self.failed(action))
    }

    /// Sets a fact, replacing its former value.
    pub async fn set_fact(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let action = "note a fact";
        let mut transaction = self.write(action).await?;
        sqlx::query(
            "INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(name)
        .bind(value)
        .execute(&mut *transaction)
        .await
        .map_err(self.failed(action))?;
        transaction.commit().await.map_err(self.failed(action))
    }
}

/// Refuses a data directory that a newer program has laid out.
pub(crate) async fn check_format(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    let value: Option<String> = sqlx::query_scalar("SELECT value FROM facts WHERE name = 'format_version'")
        .fetch_optional(connection)
        .await
        .map_err(|source| StoreError::of("read the data directory's format", path, source))?;
    let Some(found) = value.as_deref().and_then(|text| text.parse::<i64>().ok()) else {
        return Err(StoreError::Unreadable {
            table: "facts",
            column: "format_version",
            value: value.unwrap_or_default(),
        });
    };
    if found > FORMAT_VERSION {
        let path = path.to_path_buf();
        return Err(StoreError::Newer { path, what: "data format", found, known: FORMAT_VERSION });
    }
    Ok(())
}
