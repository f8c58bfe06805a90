//! How many rows each hour has, over there and here: hours that are the same need not be read again.
//!
//! The store knows exactly the rows that are committed, and rows of most views stay ([`AuditView::rows_stay`]). So an hour
//! that has as many rows over there as are known here has no row that is missing here; a statement that counts, and reads
//! two columns, says so for days at once.

use std::collections::BTreeMap;

use uncia_snowflake::decode::epoch_nanos;
use uncia_snowflake::views::AuditView;
use uncia_store::{HourCount, PullPosition};

use super::pull::{AccountPuller, PullError, Pulled};
use super::statements::{self, Selection};
use super::window::{HOUR, Stretch};

/// What a statement is worth in rows: fewer are sooner read again than counted.
pub(super) const ROWS_OF_A_STATEMENT: u64 = 500;

/// Which hours before the watermark are to be read again.
pub(super) struct Counted {
    /// Those that hold other rows over there than are known here, in order.
    pub(super) differing: Vec<i64>,
    /// Known rows of each hour.
    pub(super) ours: BTreeMap<i64, HourCount>,
}

impl Counted {
    /// Whether the hours hold fewer rows than a statement is worth.
    pub(super) fn are_few(&self, hours: std::ops::Range<i64>) -> bool {
        hours.is_empty() || rows(self.ours.range(hours).map(|(_, count)| count)) < ROWS_OF_A_STATEMENT
    }
}

impl AccountPuller {
    /// Counts what the stretch holds before the watermark; `None` if that is to be read as a whole.
    pub(super) async fn counted(
        &self,
        view: &AuditView,
        selection: &Selection,
        stretch: &Stretch,
        before: Option<PullPosition>,
        pulled: &mut Pulled,
    ) -> Result<Option<Counted>, PullError> {
        let Some(PullPosition { watermark_micros: watermark, .. }) = before.filter(|_| view.rows_stay) else {
            return Ok(None);
        };
        // The first hour and the last are counted in part, as far as windows have reached.
        let (from, to) = (stretch.from, watermark.min(stretch.to));
        if from >= to {
            return Ok(None);
        }
        let hours = from.div_euclid(HOUR)..(to - 1).div_euclid(HOUR) + 1;
        let ours = self.store().pulled_counts(&self.config().id, &view.feed(), hours).await?;
        if rows(ours.values()) < ROWS_OF_A_STATEMENT {
            return Ok(None);
        }
        let theirs = match self.counts(view, selection, (from, to), pulled).await {
            Ok(theirs) => theirs,
            // Then not in that way.
            Err(PullError::Snowflake(error)) if error.wants_less() || error.wants_again() => return Ok(None),
            Err(error) => return Err(error),
        };
        let differs = |(hour, count): &(&i64, &HourCount)| ours.get(hour) != Some(count);
        let differing = theirs.iter().filter(differs).map(|(hour, _)| *hour).collect();
        Ok(Some(Counted { differing, ours }))
    }

    /// How many rows each hour of a window has over there.
    pub(super) async fn counts(
        &self,
        view: &AuditView,
        selection: &Selection,
        window: (i64, i64),
        pulled: &mut Pulled,
    ) -> Result<BTreeMap<i64, HourCount>, PullError> {
        pulled.statements += 1;
        let statement = statements::counts(self.config(), view, &selection.list, window);
        let answer = self.client().execute(&statement).await?;
        let columns = answer.columns.clone();
        let mut counts = BTreeMap::new();
        for row in answer.all_rows().await? {
            let [Some(hour), Some(rows), Some(filled)] = &row[..] else { continue };
            let nanos = columns.first().and_then(|column| epoch_nanos(column, hour));
            let hour = nanos.and_then(|nanos| i64::try_from(nanos.div_euclid(i128::from(HOUR) * 1_000)).ok());
            if let (Some(hour), Ok(rows), Ok(filled)) = (hour, rows.parse(), filled.parse()) {
                counts.insert(hour, HourCount { rows, filled });
            }
        }
        Ok(counts)
    }
}

fn rows<'a>(counts: impl Iterator<Item = &'a HourCount>) -> u64 {
    counts.map(|count| count.rows).sum()
}
