//! What is done so far: per origin, in the write-ahead log, and in numbers per source.

use sqlx::Row;
use uncia_model::{LogType, SourceId};

use crate::commit::Progress;
use crate::{Store, StoreError, number};

/// A source's counts of one log type since the store was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceCounter {
    pub source: SourceId,
    /// `None` for records that no log type claimed.
    pub log_type: Option<LogType>,
    pub events: u64,
    pub failures: u64,
    pub bytes: u64,
    pub oversized: u64,
    /// Dropped by filters.
    pub filtered: u64,
    pub filtered_bytes: u64,
    /// When the newest batch that counted here was sealed, in microseconds since 1970.
    pub last_micros: i64,
}

impl Store {
    /// How far an origin of a source is done; `None` if it was never seen.
    pub async fn progress(&self, source: &SourceId, origin: &str) -> Result<Option<Progress>, StoreError> {
        let action = "read a source's progress";
        let failed = self.failed(action);
        let mut snapshot = self.read(action).await?;
        let row = sqlx::query("SELECT records, complete FROM progress WHERE source = ? AND origin = ?")
            .bind(source.as_str())
            .bind(origin)
            .fetch_optional(&mut *snapshot)
            .await
            .map_err(failed)?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Progress {
            source: source.clone(),
            origin: origin.to_owned(),
            records: number::from_sql(row.try_get(0).map_err(failed)?),
            complete: row.try_get(1).map_err(failed)?,
        }))
    }

    /// Segment and offset of the first entry of the write-ahead log that is not in a committed batch.
    pub async fn wal_position(&self) -> Result<Option<(u64, u64)>, StoreError> {
        let action = "read the write-ahead log's position";
        let failed = self.failed(action);
        let mut snapshot = self.read(action).await?;
        let row = sqlx::query("SELECT segment_number, byte_offset FROM wal_position WHERE id = 1")
            .fetch_optional(&mut *snapshot)
            .await
            .map_err(failed)?;
        let Some(row) = row else { return Ok(None) };
        let segment = number::from_sql(row.try_get(0).map_err(failed)?);
        let offset = number::from_sql(row.try_get(1).map_err(failed)?);
        Ok(Some((segment, offset)))
    }

    /// All counts, by source and log type.
    pub async fn counters(&self) -> Result<Vec<SourceCounter>, StoreError> {
        let action = "read the sources' counts";
        let failed = self.failed(action);
        let mut snapshot = self.read(action).await?;
        let rows = sqlx::query(
            "SELECT source, log_type, events, failures, bytes, oversized, filtered, filtered_bytes, last_micros FROM source_counters \
             ORDER BY source, log_type",
        )
        .fetch_all(&mut *snapshot)
        .await
        .map_err(failed)?;
        let mut counters = Vec::with_capacity(rows.len());
        for row in rows {
            let count = |column: usize| row.try_get::<i64, _>(column).map(number::from_sql).map_err(failed);
            let log_type: &str = row.try_get(1).map_err(failed)?;
            counters.push(SourceCounter {
                source: SourceId::new(row.try_get::<&str, _>(0).map_err(failed)?),
                log_type: (!log_type.is_empty()).then(|| LogType::new(log_type)),
                events: count(2)?,
                failures: count(3)?,
                bytes: count(4)?,
                oversized: count(5)?,
                filtered: count(6)?,
                filtered_bytes: count(7)?,
                last_micros: row.try_get(8).map_err(failed)?,
            });
        }
        Ok(counters)
    }
}
