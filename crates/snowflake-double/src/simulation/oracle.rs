//! What truly happened, to hold against what a puller brought home.

use std::ops::Range;
use std::sync::Arc;

use super::happening::{Happened, Happening};
use super::render::Telling;

/// No happening takes longer than so many days until its row changes no more.
const LONGEST_DAYS: u32 = 8;

/// One event as it truly was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrueEvent {
    /// What makes its row one row: `QUERY_ID`, `EVENT_ID`, `SESSION_ID`, or start (RFC 3339) and target region of a transfer.
    pub key: String,
    /// Micros of the view's cursor, the same in all versions.
    pub cursor: i64,
    /// Micros at which each version can be seen first; the first version comes first.
    pub versions: Vec<i64>,
    /// What the column that changes says in the end: why a session was closed, the bytes of a transfer.
    pub state: Option<String>,
}

/// The truth behind simulated views.
#[derive(Clone, Debug)]
pub struct Oracle {
    happened: Arc<Happened>,
}

impl Oracle {
    pub(crate) fn new(happened: Arc<Happened>) -> Self {
        Self { happened }
    }

    /// The views that were simulated.
    pub fn views(&self) -> impl Iterator<Item = &'static str> {
        Telling::ALL.into_iter().map(Telling::view)
    }

    /// How many days were simulated.
    #[must_use]
    pub fn days(&self) -> u32 {
        self.happened.plan.days
    }

    /// All events of a view, by the day they began on, and on each day in the order of the view's cursor.
    pub fn events(&self, view: &str) -> impl Iterator<Item = TrueEvent> + use<'_> {
        self.events_of(view, 0..self.days())
    }

    /// Those that began on these days, counted from 0.
    pub fn events_of(&self, view: &str, days: Range<u32>) -> impl Iterator<Item = TrueEvent> + use<'_> {
        let telling = Telling::ALL.into_iter().find(|telling| telling.view() == view);
        telling.into_iter().flat_map(move |telling| {
            days.clone().flat_map(move |number| {
                let day = self.happened.day(number);
                (0..telling.of(&day).len()).map(move |place| {
                    let happening = &telling.of(&day)[place];
                    let revisions = (0..happening.revisions).map(|nth| happening.revised_at(nth));
                    TrueEvent {
                        key: telling.key(happening, self.happened.plan.seed),
                        cursor: telling.cursor(happening),
                        versions: std::iter::once(happening.visible).chain(revisions).collect(),
                        state: telling.last_state(happening),
                    }
                })
            })
        })
    }

    /// What a poll at `now` sees of a view beyond a cursor: how many rows, and the largest cursor among them. It is what the
    /// usual recipe, "cursor beyond the last maximum", takes.
    #[must_use]
    pub fn beyond(&self, view: &str, cursor: i64, now: i64) -> (u64, Option<i64>) {
        let Some(telling) = Telling::ALL.into_iter().find(|telling| telling.view() == view) else { return (0, None) };
        let mut found = (0, None);
        for number in self.happened.days(cursor, now, telling.reach()) {
            let day = self.happened.day(number);
            let all = telling.of(&day);
            let behind = all.partition_point(|happening| telling.cursor(happening) <= cursor);
            let seen = all[behind..].iter().filter(|happening| happening.visible <= now);
            for happening in seen {
                found.0 += 1;
                found.1 = found.1.max(Some(telling.cursor(happening)));
            }
        }
        found
    }

    #[must_use]
    pub fn count(&self, view: &str) -> usize {
        let telling = Telling::ALL.into_iter().find(|telling| telling.view() == view);
        let of = |telling: Telling| (0..self.days()).map(|number| telling.of(&self.happened.day(number)).len()).sum();
        telling.map_or(0, of)
    }

    /// Micros from which nothing changes any more.
    #[must_use]
    pub fn settled(&self) -> i64 {
        // What began before has settled before these days ended.
        let first = self.days().saturating_sub(LONGEST_DAYS);
        let settled = |happening: &Happening| match happening.revisions {
            0 => happening.visible,
            revisions => happening.revised_at(revisions - 1).max(happening.visible),
        };
        let days = (first..self.days()).map(|number| self.happened.day(number));
        let last = days.filter_map(|day| Telling::ALL.into_iter().flat_map(|of| of.of(&day)).map(settled).max()).max();
        last.unwrap_or(0)
    }
}
