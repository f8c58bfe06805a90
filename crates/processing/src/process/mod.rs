//! Records to events.
//!
//! ```text
//! Record ─parse─▶ Document ─probe, coerce by plan─▶ members ─+ standard fields, indicators─▶ Event
//!                                 └─ nobody's: Failure, with what each candidate said
//! ```

mod candidates;
mod coerce;
mod mismatch;
mod names;
mod plan;
mod processor;
mod standard;
mod text;

pub use processor::{Processed, Processor};
pub(crate) use standard::{Facts, StandardKeys};

#[cfg(test)]
pub(crate) mod tests;
