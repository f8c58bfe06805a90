//! What came of a simulated stretch, in numbers.

use serde::Serialize;

/// Wrong things that are named; there may be more.
const NAMED: usize = 20;

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Outcome {
    /// Events that truly happened, and could be seen.
    pub(crate) events: u64,
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    /// Rows of the lake that never happened.
    pub(crate) strange: u64,
    /// Of sessions and transfers whose last state is not the true one.
    pub(crate) stale: u64,
    pub(crate) pulls: u64,
    pub(crate) killed: u64,
    pub(crate) failed: u64,
    pub(crate) faults: u64,
    pub(crate) statements: u64,
    pub(crate) rows_scanned: u64,
    pub(crate) rows_read: u64,
    /// What "cursor > last maximum" would have lost at the same pulls, of `QUERY_HISTORY` by its end.
    pub(crate) naive_lost: u64,
    pub(crate) naive_events: u64,
    /// Of all pulls together, and of everything, with the account's own work and the judging.
    pub(crate) pull_seconds: f64,
    pub(crate) seconds: f64,
    /// The most memory of a pull, and of the account with its judge.
    pub(crate) peak_bytes: u64,
    pub(crate) double_peak_bytes: u64,
    /// Lake and store in the end.
    pub(crate) kept_bytes: u64,
    /// What is wrong, a line each; the first of them.
    #[serde(skip)]
    pub(crate) wrong: Vec<String>,
}

impl Outcome {
    #[must_use]
    pub(crate) fn is_right(&self) -> bool {
        self.lost + self.doubled + self.strange + self.stale == 0 && self.wrong.is_empty() && self.events > 0
    }

    pub(crate) fn say(&mut self, what: String) {
        if self.wrong.len() < NAMED {
            self.wrong.push(what);
        }
    }
}
