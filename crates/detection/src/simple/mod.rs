//! Rules written in YAML alone, and the inline filters of rules: match expressions over an event.
//!
//! ```text
//! YAML ─read─▶ Expression ─evaluate─▶ true, false, or why a filter cannot tell
//! ```
//!
//! Expressions are compiled once and judged in the main process on the parsed event, without Python. What the public
//! reference leaves open is decided here and written in the manual: see `docs/manual/detections.md`.

mod condition;
mod evaluate;
mod expression;
mod network;
mod path;
mod read;
mod rule;
mod template;

pub use expression::Expression;
pub use rule::SimpleRule;

pub(crate) use evaluate::{NotAnAddress, filter_passes};
pub(crate) use read::{read_filters, read_rule};
pub(crate) use rule::Facts;
