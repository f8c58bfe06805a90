//! Records to events.
//!
//! ```text
//! Record ─parse─▶ Document ─probe, coerce by plan─▶ members ─+ standard fields, indicators─▶ Event
//!                                 └─ nobody's: Failure, with what each candidate said
//! ```

mod candidates;
mod coerce;
mod derive;
mod mismatch;
mod names;
mod plan;
mod processor;
mod standard;
mod text;
mod udm;

pub use processor::{Processed, Processor};
pub(crate) use standard::{Facts, StandardKeys};

#[cfg(test)]
pub(crate) mod tests;
