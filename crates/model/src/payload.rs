//! Bytes as a source received them, and the records that splitting makes of them.

use bytes::Bytes;
use uncia_document::Timestamp;

use crate::{LogType, Origin};

/// Bytes a source received at once: a file, a part of a watched file, one HTTP request.
#[derive(Clone, Debug)]
pub struct Payload {
    pub origin: Origin,
    /// As received: compressed if the sender compressed it.
    pub bytes: Bytes,
    pub received: Timestamp,
    /// The log types that its records may have; empty means every known one.
    pub log_types: Vec<LogType>,
}

/// One raw event: a slice of its payload's (decompressed) bytes.
#[derive(Clone, Debug)]
pub struct Record {
    /// Position among the records of the origin, from 0.
    pub ordinal: u64,
    pub bytes: Bytes,
}
