//! What truly happened, to hold against what a puller brought home.

use std::sync::Arc;

use super::happening::Happened;
use super::render::Telling;

/// One event as it truly was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrueEvent {
    /// What makes its row one row: `QUERY_ID`, `EVENT_ID`, `SESSION_ID`, or start (RFC 3339) and target region of a transfer.
    pub key: String,
    /// Micros of the view's cursor, the same in all versions.
    pub cursor: i64,
    /// Micros at which each version can be seen first; the first version comes first.
    pub versions: Vec<i64>,
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

    /// All events of a view, in the order of its cursor.
    pub fn events(&self, view: &str) -> impl Iterator<Item = TrueEvent> + use<'_> {
        let telling = Telling::ALL.into_iter().find(|telling| telling.view() == view);
        telling.into_iter().flat_map(move |telling| {
            telling.of(&self.happened).iter().map(move |happening| {
                let revisions = (0..happening.revisions).map(|nth| happening.revised_at(nth));
                TrueEvent {
                    key: telling.key(happening, self.happened.seed),
                    cursor: telling.cursor(happening),
                    versions: std::iter::once(happening.visible).chain(revisions).collect(),
                }
            })
        })
    }

    #[must_use]
    pub fn count(&self, view: &str) -> usize {
        let telling = Telling::ALL.into_iter().find(|telling| telling.view() == view);
        telling.map_or(0, |telling| telling.of(&self.happened).len())
    }

    /// Micros from which nothing changes any more.
    #[must_use]
    pub fn settled(&self) -> i64 {
        let all = Telling::ALL.into_iter().flat_map(|telling| telling.of(&self.happened));
        let last = all.map(|happening| match happening.revisions {
            0 => happening.visible,
            revisions => happening.revised_at(revisions - 1).max(happening.visible),
        });
        last.max().unwrap_or(0)
    }
}
