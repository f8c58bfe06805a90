//! Bytes to records.
//!
//! ```text
//! Payload ─Feed: inflate─▶ pieces ─Window─▶ Cutter: where records begin and end ─▶ Record | Failure
//! ```
//!
//! Records are slices of the inflated pieces; only a record that lies across two pieces is copied. Memory is bounded by
//! a piece and the longest record that is kept.

mod array;
mod cut;
mod feed;
mod inflate;
mod lines;
mod records;
mod sniff;
mod stream_type;
mod values;

pub use records::{Records, Splitter};
pub use stream_type::{StreamType, StreamTypeError};

#[cfg(test)]
mod tests;
