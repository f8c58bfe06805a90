//! Correlation rules: signals of other rules that together mean something, as a group or in a sequence.
//!
//! ```text
//! YAML ─read─▶ CorrelationRule ─evaluate(signals, time)─▶ Correlated: a value that all share, and its signals
//! ```
//!
//! Pure: where signals come from is the caller's affair. Unit tests give them in the YAML; the pipeline reads them from
//! the lake.

mod evaluate;
mod group;
mod read;
mod rule;
mod sequence;
mod test;

pub use rule::{Correlated, CorrelationRule, Member, Signal};

pub(crate) use read::read_correlation;
pub use test::instant;

pub(crate) use test::{CorrelationTest, read_outputs};
