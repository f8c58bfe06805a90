//! A made-up past of an account: what truly happened, when each row of it can be seen, and how rows change later.

mod happening;
mod oracle;
mod render;

pub use oracle::{Oracle, TrueEvent};

pub(crate) use happening::Happened;
pub(crate) use render::{Telling, Told};

/// What to make up. The same seed makes the same past.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Simulation {
    pub seed: u64,
    /// Micros; the first statement starts here or after.
    pub start: i64,
    pub days: u32,
    /// Statements a week; sign-ins, sessions and accesses follow from it.
    pub statements_per_week: u32,
    /// The share of statements that run for hours, up to 40.
    pub long_share: f64,
    /// The share of rows that come up to ten hours late; others come within the documented latency of their view.
    pub late_share: f64,
    /// The share of statements whose row is corrected some hours after it came.
    pub revised_share: f64,
    /// The share of rows that have the very time of the row before.
    pub same_time_share: f64,
}

impl Default for Simulation {
    fn default() -> Self {
        Self {
            seed: 1,
            start: 0,
            days: 30,
            statements_per_week: 5_000,
            long_share: 0.002,
            late_share: 0.0005,
            revised_share: 0.01,
            same_time_share: 0.02,
        }
    }
}
