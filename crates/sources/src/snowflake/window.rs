//! Which stretch of a view's time a run reads, and in which pieces.

use std::ops::Range;
use std::time::Duration;

use uncia_snowflake::views::AuditView;
use uncia_store::PullPosition;

pub(super) const HOUR: i64 = 3_600 * 1_000_000;
const DAY: i64 = 24 * HOUR;
/// The first piece of a stretch of which nothing is known.
const FIRST_BACKFILL: i64 = 6 * HOUR;
/// The first piece of any other; longer than most stretches.
const FIRST_REGULAR: i64 = 4 * DAY;
const SMALLEST: i64 = 60 * 1_000_000;
const LARGEST: i64 = 7 * DAY;
/// A piece with fewer rows makes the next one longer; one with more makes it shorter.
const FEW_ROWS: u64 = 100_000;
const MANY_ROWS: u64 = 500_000;

/// What a run reads of a view: from `from` to `to`, in microseconds of the server's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) from: i64,
    pub(super) to: i64,
    /// It is the day's deep one.
    pub(super) sweep: bool,
    /// What is older is history.
    pub(super) begun: i64,
}

impl Stretch {
    /// `now` is the server's clock: what it shows up to then is read.
    #[must_use]
    pub(super) fn next(view: &AuditView, position: Option<PullPosition>, now: i64, backfill: Duration) -> Self {
        let backfill = micros(backfill);
        let Some(position) = position else {
            return Self { from: now.saturating_sub(backfill), to: now, sweep: true, begun: now };
        };
        let PullPosition { watermark_micros: watermark, swept_micros, begun_micros: begun } = position;
        let sweep = now.saturating_sub(swept_micros) >= DAY;
        let back = micros(if sweep { view.sweep.max(view.overlap) } else { view.overlap });
        // The owner said how far back; what is older is not wanted, late or not.
        let from = watermark.saturating_sub(back);
        // Hours whose rows stay are counted as a whole.
        let from = if view.rows_stay { from.div_euclid(HOUR) * HOUR } else { from };
        let from = from.max(begun.saturating_sub(backfill));
        Self { from: from.min(now), to: now, sweep, begun }
    }

    /// What of it is to be read if only these hours before the watermark hold other rows than are known. Windows that lie
    /// so close that few rows are between them become one.
    #[must_use]
    pub(super) fn windows(
        &self,
        watermark: i64,
        differing: &[i64],
        are_few: impl Fn(Range<i64>) -> bool,
    ) -> Vec<(i64, i64)> {
        let new = (watermark.max(self.from), self.to);
        let hours = differing.iter().map(|hour| ((hour * HOUR).max(self.from), ((hour + 1) * HOUR).min(self.to)));
        let mut windows: Vec<(i64, i64)> = Vec::new();
        for (from, to) in hours.chain([new]).filter(|(from, to)| from < to) {
            let whole_hour = from.div_euclid(HOUR) + i64::from(from.rem_euclid(HOUR) > 0);
            match windows.last_mut() {
                Some(last) if are_few(last.1.div_euclid(HOUR)..whole_hour) => last.1 = last.1.max(to),
                _ => windows.push((from, to)),
            }
        }
        windows
    }

    /// Pieces of a window in it.
    #[must_use]
    pub(super) fn pieces(&self, (from, to): (i64, i64)) -> Pieces {
        let size = if self.begun == self.to { FIRST_BACKFILL } else { FIRST_REGULAR };
        Pieces { at: from, to, size }
    }
}

/// A stretch, cut into pieces that one statement can read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pieces {
    at: i64,
    to: i64,
    size: i64,
}

impl Pieces {
    /// The next piece; the same again until [`Self::done`] is told.
    #[must_use]
    pub(super) fn current(&self) -> Option<(i64, i64)> {
        (self.at < self.to).then(|| (self.at, self.at.saturating_add(self.size).min(self.to)))
    }

    /// The current piece is committed; it had so many rows.
    pub(super) fn done(&mut self, rows: u64) {
        self.at = self.current().map_or(self.to, |(_, end)| end);
        if rows < FEW_ROWS {
            self.size = (self.size * 2).min(LARGEST);
        } else if rows > MANY_ROWS {
            self.size = (self.size / 2).max(SMALLEST);
        }
    }

    /// The current piece is too much for one statement. `false` if it cannot be smaller.
    pub(super) fn halve(&mut self) -> bool {
        let length = self.current().map_or(0, |(from, to)| to - from);
        if length <= SMALLEST {
            return false;
        }
        self.size = (length / 2).max(SMALLEST);
        true
    }
}

pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uncia_snowflake::views::AUDIT_VIEWS;

    const NOW: i64 = 1_700_000_000_000_000;

    #[test]
    fn stretches() {
        let view = AUDIT_VIEWS.iter().find(|view| view.name == "QUERY_HISTORY").unwrap();
        let day = Duration::from_secs(86_400);
        let first = Stretch::next(view, None, NOW, day);
        assert_eq!(first, Stretch { from: NOW - DAY, to: NOW, sweep: true, begun: NOW });
        let position = |watermark, swept, begun| {
            Some(PullPosition { watermark_micros: watermark, swept_micros: swept, begun_micros: begun })
        };
        let begun = NOW - 30 * DAY;
        let next = Stretch::next(view, position(NOW - HOUR, NOW - HOUR, begun), NOW, day);
        let whole = |micros: i64| micros - micros.rem_euclid(HOUR);
        assert_eq!((next.from, next.sweep), (whole(NOW - HOUR - 3 * HOUR), false));
        let deep = Stretch::next(view, position(NOW - HOUR, NOW - DAY, begun), NOW, day);
        assert_eq!((deep.from, deep.sweep), (whole(NOW - HOUR - 48 * HOUR), true));
        let outage = Stretch::next(view, position(NOW - 9 * DAY, NOW - 9 * DAY, begun), NOW, day);
        assert_eq!(outage.from, whole(NOW - 9 * DAY - 48 * HOUR));
        let young = Stretch::next(view, position(NOW - HOUR, NOW - HOUR, NOW - HOUR), NOW, Duration::from_secs(3_600));
        assert_eq!(young.from, NOW - 2 * HOUR);
        let back = Stretch::next(view, position(NOW + 9 * DAY, NOW, begun), NOW, day);
        assert_eq!((back.from, back.pieces((back.from, back.to)).current()), (NOW, None));
    }

    #[test]
    fn only_hours_that_differ_are_read_again() {
        let hour = NOW.div_euclid(HOUR);
        let stretch = Stretch { from: (hour - 10) * HOUR, to: NOW, sweep: false, begun: NOW - 30 * DAY };
        let watermark = NOW - HOUR;
        let at = |from: i64, to: i64| ((hour + from) * HOUR, (hour + to) * HOUR);
        let windows = |differing: &[i64], few: i64| {
            let differing: Vec<i64> = differing.iter().map(|back| hour - back).collect();
            stretch.windows(watermark, &differing, |hours| hours.end - hours.start <= few)
        };
        assert_eq!(windows(&[], 0), [(watermark, NOW)]);
        assert_eq!(windows(&[9, 8, 4], 0), [at(-9, -7), at(-4, -3), (watermark, NOW)]);
        // The hour that the watermark lies in is read on from its beginning.
        assert_eq!(windows(&[9, 1], 0), [at(-9, -8), ((hour - 1) * HOUR, NOW)]);
        assert_eq!(windows(&[9, 4], 3), [at(-9, -8), ((hour - 4) * HOUR, NOW)]);
        assert_eq!(windows(&[9], 20), [((hour - 9) * HOUR, NOW)]);
        let asleep = Stretch { to: NOW - 9 * DAY, from: NOW - 9 * DAY, ..stretch };
        assert_eq!(asleep.windows(NOW, &[], |_| true), []);
    }

    proptest::proptest! {
        /// Whatever answers come, the pieces cover the stretch without a gap or an overlap.
        #[test]
        fn pieces_cover(length in 1..400 * DAY, answers in proptest::collection::vec(0..3_u8, 0..40)) {
            let stretch = Stretch { from: NOW - length, to: NOW, sweep: false, begun: NOW };
            let (mut pieces, mut at) = (stretch.pieces((stretch.from, stretch.to)), stretch.from);
            let mut answers = answers.into_iter().chain(std::iter::repeat(0));
            while let Some((from, to)) = pieces.current() {
                proptest::prop_assert!(from == at && to > from && to <= NOW);
                match answers.next() {
                    Some(2) if pieces.halve() => continue,
                    Some(1) => pieces.done(MANY_ROWS + 1),
                    _ => pieces.done(0),
                }
                at = to;
            }
            proptest::prop_assert_eq!(at, NOW);
        }
    }
}
