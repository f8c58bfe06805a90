//! Dedup windows: the newest of each key, read before a batch is judged and written with it.

use std::collections::HashMap;

use sqlx::{QueryBuilder, Row, Sqlite, Transaction};
use uncia_model::{AlertId, DetectionId, Window, WindowKey};

use crate::commit::ROWS_PER_STATEMENT;
use crate::{Store, StoreError, number};

impl Store {
    /// The windows of those keys that have one.
    pub async fn windows(&self, keys: &[WindowKey]) -> Result<HashMap<WindowKey, Window>, StoreError> {
        let action = "read dedup windows";
        let failed = self.failed(action);
        let mut found = HashMap::with_capacity(keys.len());
        let mut snapshot = self.read(action).await?;
        for chunk in keys.chunks(ROWS_PER_STATEMENT) {
            let mut query = QueryBuilder::<Sqlite>::new(
                "SELECT detection, dedup, kind_is_error, start_micros, alert, event_count, uniques FROM windows \
                 WHERE (detection, dedup, kind_is_error) IN (",
            );
            query.push_values(chunk, |mut row, key| {
                row.push_bind(key.detection.as_str()).push_bind(&key.dedup).push_bind(key.kind_is_error);
            });
            query.push(")");
            for row in query.build().fetch_all(&mut *snapshot).await.map_err(failed)? {
                let key = WindowKey {
                    detection: DetectionId::new(row.try_get::<&str, _>(0).map_err(failed)?),
                    dedup: row.try_get(1).map_err(failed)?,
                    kind_is_error: row.try_get(2).map_err(failed)?,
                };
                let window = Window {
                    key: key.clone(),
                    start_micros: row.try_get(3).map_err(failed)?,
                    alert: AlertId::new(row.try_get::<&str, _>(4).map_err(failed)?),
                    count: number::from_sql(row.try_get(5).map_err(failed)?),
                    uniques: row.try_get(6).map_err(failed)?,
                };
                found.insert(key, window);
            }
        }
        Ok(found)
    }

    /// Forgets windows that opened before the given time: longer ago than the longest dedup period. Returns how many.
    pub async fn prune_windows(&self, started_before_micros: i64) -> Result<u64, StoreError> {
        let action = "forget old dedup windows";
        let mut transaction = self.write(action).await?;
        let pruned = sqlx::query("DELETE FROM windows WHERE start_micros < ?")
            .bind(started_before_micros)
            .execute(&mut *transaction)
            .await
            .map_err(self.failed(action))?;
        transaction.commit().await.map_err(self.failed(action))?;
        Ok(pruned.rows_affected())
    }
}

pub(crate) async fn write(
    transaction: &mut Transaction<'static, Sqlite>,
    windows: &[Window],
) -> Result<(), sqlx::Error> {
    for chunk in windows.chunks(ROWS_PER_STATEMENT) {
        let mut query = QueryBuilder::<Sqlite>::new(
            "INSERT INTO windows (detection, dedup, kind_is_error, start_micros, alert, event_count, uniques) ",
        );
        query.push_values(chunk, |mut row, window| {
            row.push_bind(window.key.detection.as_str())
                .push_bind(&window.key.dedup)
                .push_bind(window.key.kind_is_error)
                .push_bind(window.start_micros)
                .push_bind(window.alert.as_str())
                .push_bind(number::to_sql(window.count))
                .push_bind(&window.uniques);
        });
        query.push(
            " ON CONFLICT (detection, dedup, kind_is_error) DO UPDATE SET start_micros = excluded.start_micros, \
             alert = excluded.alert, event_count = excluded.event_count, uniques = excluded.uniques",
        );
        query.build().execute(&mut **transaction).await?;
    }
    Ok(())
}
