//! Bytes to records.
//!
//! ```text
//! Payload, file ─Feed: unpack─▶ pieces ─window─▶ Cutter: where records begin and end ─Shape─▶ Record | Failure
//! ```
//!
//! Records are slices of the inflated pieces; only a record that lies across two pieces is copied. Memory is bounded by
//! a piece and the longest record that is kept, whether the bytes are in memory or read on the way. A zip is several
//! streams, one after the other; a file of columns comes as lines of JSON.

mod array;
mod cut;
mod elements;
mod feed;
mod inflate;
mod lines;
mod packing;
mod records;
mod sniff;
mod stream_type;
mod subscription;
mod utf16;
mod values;
mod zip;

pub use packing::ColumnarFormat;
pub use records::{Records, Splitter};
pub use stream_type::{StreamType, StreamTypeError};

#[cfg(test)]
mod tests;
