//! What is known of pulled views: how far they are read, and which of their rows are committed.
//!
//! Rows of a view come late and come again, so a pull reads windows that overlap. A row's key is written in the transaction
//! that makes the row visible; so the keys are exactly the rows that are there, whenever the process ends.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, Transaction};
use uncia_model::SourceId;

use crate::commit::ROWS_PER_STATEMENT;
use crate::{Store, StoreError, number};

/// How far a view is read. Times are the server's, in microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PullPosition {
    /// Everything that was visible before it is committed.
    pub watermark_micros: i64,
    /// When the last deep sweep ended.
    pub swept_micros: i64,
    /// When the source was first pulled: what is older is history.
    pub begun_micros: i64,
}

/// A view's position, noted with what is visible from then on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PulledTo {
    pub source: SourceId,
    pub view: Arc<str>,
    pub position: PullPosition,
}

/// What a person wants to know of a view's pulling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullStatus {
    pub source: SourceId,
    pub view: String,
    pub position: Option<PullPosition>,
    /// When it was last asked, by the server's clock.
    pub checked_micros: Option<i64>,
    /// Of its newest row, by the view's cursor.
    pub newest_micros: Option<i64>,
    /// Rows that only a sweep or the count of rows found.
    pub found_late: u64,
    /// Rows too large for an event, of which only a stub was kept.
    pub cut_short: u64,
    /// Why the last run ended early; `None` if it did not.
    pub problem: Option<String>,
}

/// What a run adds to a view's status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PullNote {
    pub checked_micros: Option<i64>,
    pub newest_micros: Option<i64>,
    pub found_late: u64,
    pub cut_short: u64,
    pub problem: Option<String>,
}

/// A row's key, a hash of the columns that make it one.
pub type RowKey = [u8; 16];

/// A committed row of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PulledRow {
    pub source: SourceId,
    pub view: Arc<str>,
    /// Of the view's cursor, since 1970.
    pub hour: i64,
    pub key: RowKey,
    pub known: Known,
}

/// What is known of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Grows when the row becomes a new revision: a closed session, the bytes of a transfer.
    pub state: i64,
    /// The newest committed one, from 0.
    pub revision: u32,
}

/// How many rows an hour has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HourCount {
    pub rows: u64,
    /// Those whose [`Known::state`] is above 0: of sessions, the closed ones.
    pub filled: u64,
}

impl Store {
    /// How far a view of a source is read; `None` before its first run ended.
    pub async fn pull_position(&self, source: &SourceId, view: &str) -> Result<Option<PullPosition>, StoreError> {
        let action = "read how far a view is pulled";
        let failed = self.failed(action);
        let mut snapshot = self.read(action).await?;
        let row = sqlx::query(
            "SELECT watermark_micros, swept_micros, begun_micros FROM pulls WHERE source = ? AND view_name = ?",
        )
        .bind(source.as_str())
        .bind(view)
        .fetch_optional(&mut *snapshot)
        .await
        .map_err(failed)?;
        let Some(row) = row else { return Ok(None) };
        position(&row, 0).map_err(failed)
    }

    /// Notes that everything before the position is committed.
    pub async fn set_pull_position(
        &self,
        source: &SourceId,
        view: &str,
        position: PullPosition,
    ) -> Result<(), StoreError> {
        let action = "note how far a view is pulled";
        let mut transaction = self.write(action).await?;
        let to = PulledTo { source: source.clone(), view: view.into(), position };
        write_position(&mut transaction, &to).await.map_err(self.failed(action))?;
        transaction.commit().await.map_err(self.failed(action))
    }

    /// Adds to a view's status what a run has shown.
    pub async fn note_pull(&self, source: &SourceId, view: &str, note: &PullNote) -> Result<(), StoreError> {
        let action = "note a pull";
        let mut transaction = self.write(action).await?;
        sqlx::query(
            "INSERT INTO pulls (source, view_name, checked_micros, newest_micros, found_late, cut_short, problem) \
             VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (source, view_name) DO UPDATE SET \
             checked_micros = coalesce(excluded.checked_micros, pulls.checked_micros), \
             newest_micros = coalesce(max(pulls.newest_micros, excluded.newest_micros), excluded.newest_micros, \
                                      pulls.newest_micros), \
             found_late = pulls.found_late + excluded.found_late, \
             cut_short = pulls.cut_short + excluded.cut_short, problem = excluded.problem",
        )
        .bind(source.as_str())
        .bind(view)
        .bind(note.checked_micros)
        .bind(note.newest_micros)
        .bind(number::to_sql(note.found_late))
        .bind(number::to_sql(note.cut_short))
        .bind(&note.problem)
        .execute(&mut *transaction)
        .await
        .map_err(self.failed(action))?;
        transaction.commit().await.map_err(self.failed(action))
    }

    /// All pulled views, by source and name.
    pub async fn pull_statuses(&self) -> Result<Vec<PullStatus>, StoreError> {
        let action = "read how pulling goes";
        let failed = self.failed(action);
        let mut snapshot = self.read(action).await?;
        let rows = sqlx::query(
            "SELECT watermark_micros, swept_micros, begun_micros, source, view_name, checked_micros, newest_micros, \
             found_late, cut_short, problem FROM pulls ORDER BY source, view_name",
        )
        .fetch_all(&mut *snapshot)
        .await
        .map_err(failed)?;
        let status = |row: &SqliteRow| {
            Ok(PullStatus {
                source: SourceId::new(row.try_get::<&str, _>(3)?),
                view: row.try_get(4)?,
                position: position(row, 0)?,
                checked_micros: row.try_get(5)?,
                newest_micros: row.try_get(6)?,
                found_late: number::from_sql(row.try_get(7)?),
                cut_short: number::from_sql(row.try_get(8)?),
                problem: row.try_get(9)?,
            })
        };
        rows.iter().map(status).collect::<Result<_, sqlx::Error>>().map_err(failed)
    }

    /// The committed rows of some hours.
    pub async fn pulled_rows(
        &self,
        source: &SourceId,
        view: &str,
        hours: Range<i64>,
    ) -> Result<HashMap<RowKey, Known>, StoreError> {
        let action = "read the rows known of a view";
        let failed = self.failed(action);
        let sql = "SELECT row_key, state, revision FROM pulled_keys \
             WHERE pull = (SELECT id FROM pulls WHERE source = ? AND view_name = ?) AND hour >= ? AND hour < ?";
        let rows = self.of_hours(action, sql, (source, view), hours).await?;
        let mut known = HashMap::with_capacity(rows.len());
        for row in rows {
            let key: &[u8] = row.try_get(0).map_err(failed)?;
            let Ok(key) = RowKey::try_from(key) else {
                let detail = format!("a row's key of {view} has {} bytes", key.len());
                return Err(StoreError::Corrupt { action, path: self.path(), detail });
            };
            let revision = u32::try_from(row.try_get::<i64, _>(2).map_err(failed)?).unwrap_or(u32::MAX);
            known.insert(key, Known { state: row.try_get(1).map_err(failed)?, revision });
        }
        Ok(known)
    }

    /// How many rows of each hour are committed.
    pub async fn pulled_counts(
        &self,
        source: &SourceId,
        view: &str,
        hours: Range<i64>,
    ) -> Result<BTreeMap<i64, HourCount>, StoreError> {
        let action = "count the rows known of a view";
        let sql = "SELECT hour, count(*), sum(state > 0) FROM pulled_keys \
             WHERE pull = (SELECT id FROM pulls WHERE source = ? AND view_name = ?) AND hour >= ? AND hour < ? \
             GROUP BY hour";
        let rows = self.of_hours(action, sql, (source, view), hours).await?;
        let counted = rows.iter().map(|row| {
            let count = |column: usize| row.try_get(column).map(number::from_sql);
            Ok((row.try_get(0)?, HourCount { rows: count(1)?, filled: count(2)? }))
        });
        counted.collect::<Result<_, sqlx::Error>>().map_err(self.failed(action))
    }

    /// How many rows of some hours are committed, and how many revisions of them.
    pub async fn pulled_total(
        &self,
        source: &SourceId,
        view: &str,
        hours: Range<i64>,
    ) -> Result<(u64, u64), StoreError> {
        let action = "count the rows known of a view";
        let sql = "SELECT count(*), coalesce(sum(revision), 0) FROM pulled_keys \
             WHERE pull = (SELECT id FROM pulls WHERE source = ? AND view_name = ?) AND hour >= ? AND hour < ?";
        let rows = self.of_hours(action, sql, (source, view), hours).await?;
        let total = rows.first().map(|row| {
            let count = |column: usize| row.try_get(column).map(number::from_sql);
            Ok((count(0)?, count(1)?))
        });
        Ok(total.transpose().map_err(self.failed(action))?.unwrap_or_default())
    }

    /// The answer of a statement that asks for a source, a view, and hours from and to.
    async fn of_hours(
        &self,
        action: &'static str,
        sql: &'static str,
        (source, view): (&SourceId, &str),
        hours: Range<i64>,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        let mut snapshot = self.read(action).await?;
        let query = sqlx::query(sql).bind(source.as_str()).bind(view).bind(hours.start).bind(hours.end);
        query.fetch_all(&mut *snapshot).await.map_err(self.failed(action))
    }

    /// Forgets rows of hours before the given one: no window reaches back to them. Returns how many.
    pub async fn prune_pulled_rows(&self, source: &SourceId, view: &str, before_hour: i64) -> Result<u64, StoreError> {
        let action = "forget old rows of a view";
        let mut transaction = self.write(action).await?;
        let pruned = sqlx::query(
            "DELETE FROM pulled_keys \
             WHERE pull = (SELECT id FROM pulls WHERE source = ? AND view_name = ?) AND hour < ?",
        )
        .bind(source.as_str())
        .bind(view)
        .bind(before_hour)
        .execute(&mut *transaction)
        .await
        .map_err(self.failed(action))?;
        transaction.commit().await.map_err(self.failed(action))?;
        Ok(pruned.rows_affected())
    }
}

/// The three columns from `first` on; null before the first window is done.
fn position(row: &SqliteRow, first: usize) -> Result<Option<PullPosition>, sqlx::Error> {
    let watermark: Option<i64> = row.try_get(first)?;
    let Some(watermark_micros) = watermark else { return Ok(None) };
    let (swept_micros, begun_micros) = (row.try_get(first + 1)?, row.try_get(first + 2)?);
    Ok(Some(PullPosition { watermark_micros, swept_micros, begun_micros }))
}

pub(crate) async fn write_position(
    transaction: &mut Transaction<'static, Sqlite>,
    PulledTo { source, view, position }: &PulledTo,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO pulls (source, view_name, watermark_micros, swept_micros, begun_micros) \
         VALUES (?, ?, ?, ?, ?) ON CONFLICT (source, view_name) DO UPDATE SET \
         watermark_micros = excluded.watermark_micros, swept_micros = excluded.swept_micros, \
         begun_micros = excluded.begun_micros",
    )
    .bind(source.as_str())
    .bind(&**view)
    .bind(position.watermark_micros)
    .bind(position.swept_micros)
    .bind(position.begun_micros)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

pub(crate) async fn write(
    transaction: &mut Transaction<'static, Sqlite>,
    rows: &[PulledRow],
) -> Result<(), sqlx::Error> {
    for of_view in rows.chunk_by(|one, other| one.source == other.source && one.view == other.view) {
        let PulledRow { source, view, .. } = &of_view[0];
        sqlx::query("INSERT INTO pulls (source, view_name) VALUES (?, ?) ON CONFLICT DO NOTHING")
            .bind(source.as_str())
            .bind(&**view)
            .execute(&mut **transaction)
            .await?;
        let pull: i64 = sqlx::query_scalar("SELECT id FROM pulls WHERE source = ? AND view_name = ?")
            .bind(source.as_str())
            .bind(&**view)
            .fetch_one(&mut **transaction)
            .await?;
        for chunk in of_view.chunks(ROWS_PER_STATEMENT) {
            let mut query =
                QueryBuilder::<Sqlite>::new("INSERT INTO pulled_keys (pull, hour, row_key, state, revision) ");
            query.push_values(chunk, |mut columns, row| {
                columns
                    .push_bind(pull)
                    .push_bind(row.hour)
                    .push_bind(&row.key[..])
                    .push_bind(row.known.state)
                    .push_bind(i64::from(row.known.revision));
            });
            query.push(
                " ON CONFLICT (pull, hour, row_key) DO UPDATE SET state = excluded.state, revision = excluded.revision",
            );
            query.build().execute(&mut **transaction).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use uncia_model::BatchId;

    use super::*;
    use crate::{BatchCommit, CommitOutcome};

    fn row(hour: i64, key: u8, state: i64, revision: u32) -> PulledRow {
        let known = Known { state, revision };
        PulledRow { source: "sf".into(), view: "SESSIONS".into(), hour, key: [key; 16], known }
    }

    #[tokio::test]
    async fn rows_become_known_with_their_batch() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store.sqlite")).await.unwrap();
        let source = SourceId::from("sf");
        let commit = |id: &str, pulled| BatchCommit { pulled, ..BatchCommit::new(BatchId::of(&[id]), 1) };
        let first = commit("a", vec![row(7, 1, 0, 0), row(8, 2, 0, 0)]);
        assert_eq!(store.commit(&first).await.unwrap(), CommitOutcome::Committed);
        assert_eq!(store.pull_position(&source, "SESSIONS").await.unwrap(), None);
        let read_to = PullPosition { watermark_micros: 2, swept_micros: 2, begun_micros: 2 };
        let to = PulledTo { source: source.clone(), view: "SESSIONS".into(), position: read_to };
        let again = BatchCommit { pulled_to: vec![to], ..commit("b", vec![row(8, 2, 1, 1)]) };
        assert_eq!(store.commit(&again).await.unwrap(), CommitOutcome::Committed);
        assert_eq!(store.pull_position(&source, "SESSIONS").await.unwrap(), Some(read_to));
        let known = store.pulled_rows(&source, "SESSIONS", 8..9).await.unwrap();
        assert_eq!(known, HashMap::from([([2; 16], Known { state: 1, revision: 1 })]));
        let counts = store.pulled_counts(&source, "SESSIONS", 0..100).await.unwrap();
        let count = |filled| HourCount { rows: 1, filled };
        assert_eq!(counts, BTreeMap::from([(7, count(0)), (8, count(1))]));
        assert_eq!(store.pulled_total(&source, "SESSIONS", 0..100).await.unwrap(), (2, 1));
        assert_eq!(store.pulled_total(&source, "SESSIONS", 9..100).await.unwrap(), (0, 0));
        let position = PullPosition { watermark_micros: 5, swept_micros: 4, begun_micros: 3 };
        store.set_pull_position(&source, "SESSIONS", position).await.unwrap();
        assert_eq!(store.pull_position(&source, "SESSIONS").await.unwrap(), Some(position));
        assert_eq!(store.prune_pulled_rows(&source, "SESSIONS", 8).await.unwrap(), 1);
        for (newest, problem) in [(Some(7), Some("x")), (None, None), (Some(6), None)] {
            let problem = problem.map(str::to_owned);
            let note = PullNote { newest_micros: newest, found_late: 2, problem, ..PullNote::default() };
            store.note_pull(&source, "SESSIONS", &note).await.unwrap();
        }
        let [status] = &*store.pull_statuses().await.unwrap() else { panic!("one view") };
        assert_eq!((status.newest_micros, status.found_late, &status.problem), (Some(7), 6, &None));
        assert_eq!(status.position, Some(position));
        assert!(store.pulled_rows(&"other".into(), "SESSIONS", 0..100).await.unwrap().is_empty());
        assert_eq!(store.pulled_rows(&source, "SESSIONS", 0..100).await.unwrap().len(), 1);
    }
}
