//! Snapshots of what accounts are like, and what changed between two of them.
//!
//! ```text
//!  the view's rows ─▶ ids ─┬─ there already: nothing to do
//!  ids in the lake ────────┘  new: processed ─┬─▶ Exchange: rows in, rows out ─────┐
//!                             gone ───────────┴─▶ diff ─▶ records of changes ──────┴▶ one Input ─▶ the walk
//! ```
//!
//! The table of a view holds exactly the newest snapshot of each account. The changes, which rules judge, travel with the
//! exchange of rows that they come from, and one batch commits both and the time of the snapshot. So after a crash at any
//! moment the next snapshot is compared with what was told, and no change is told twice or never.

mod diff;
mod exchange;
mod take;

pub use exchange::Exchange;
pub(crate) use exchange::{of as exchanges_of, stage as stage_exchanges};
pub use take::{Snapshot, StateError, StateRows, When, take};
