//! What discovery has added to schemas, in the order in which it was published.

use sqlx::Row;
use uncia_model::LogType;

use crate::{Store, StoreError, number};

/// Fields that a schema gained at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaRevision {
    pub log_type: LogType,
    /// From 1.
    pub number: u64,
    /// JSON; what discovery makes of it is its own affair.
    pub added: String,
}

impl Store {
    /// All revisions, each log type's in their order.
    pub async fn schema_revisions(&self) -> Result<Vec<SchemaRevision>, StoreError> {
        let action = "read the schemas' revisions";
        let failed = self.failed(action);
        let mut snapshot = self.read(action).await?;
        let rows = sqlx::query("SELECT log_type, number, added FROM schema_revisions ORDER BY log_type, number")
            .fetch_all(&mut *snapshot)
            .await
            .map_err(failed)?;
        let mut revisions = Vec::with_capacity(rows.len());
        for row in rows {
            revisions.push(SchemaRevision {
                log_type: LogType::new(row.try_get::<&str, _>(0).map_err(failed)?),
                number: number::from_sql(row.try_get(1).map_err(failed)?),
                added: row.try_get(2).map_err(failed)?,
            });
        }
        Ok(revisions)
    }

    /// Notes revisions, all of them or none. Durable when it returns.
    pub async fn add_schema_revisions(&self, revisions: &[SchemaRevision], now_micros: i64) -> Result<(), StoreError> {
        let action = "note a schema's revision";
        let failed = self.failed(action);
        let mut transaction = self.write(action).await?;
        for revision in revisions {
            sqlx::query("INSERT INTO schema_revisions (log_type, number, added, created_micros) VALUES (?, ?, ?, ?)")
                .bind(revision.log_type.as_str())
                .bind(number::to_sql(revision.number))
                .bind(&revision.added)
                .bind(now_micros)
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn revisions_are_kept_in_their_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.sqlite");
        let store = Store::open(&path).await.unwrap();
        let revision =
            |log_type: &str, number| SchemaRevision { log_type: log_type.into(), number, added: "[]".to_owned() };
        let (first, second, other) = (revision("A.B", 1), revision("A.B", 2), revision("A.A", 1));
        store.add_schema_revisions(&[first.clone(), other.clone()], 1).await.unwrap();
        // One that is there already refuses all of them.
        store.add_schema_revisions(&[second.clone(), first.clone()], 2).await.unwrap_err();
        assert_eq!(store.schema_revisions().await.unwrap(), [other.clone(), first.clone()]);
        store.add_schema_revisions(std::slice::from_ref(&second), 3).await.unwrap();
        store.close().await;
        assert_eq!(Store::open(&path).await.unwrap().schema_revisions().await.unwrap(), [other, first, second]);
    }
}
