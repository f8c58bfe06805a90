//! Bytes as a source received them, and the records that splitting makes of them.

use std::sync::Arc;

use bytes::Bytes;
use uncia_document::Timestamp;

use crate::{LogType, Origin, RowId};

/// Bytes a source received at once: a file, a part of a watched file, one HTTP request.
#[derive(Clone, Debug)]
pub struct Payload {
    pub origin: Origin,
    /// As received: compressed if the sender compressed it. Empty where the bytes are too many to be held and are read
    /// on the way.
    pub bytes: Bytes,
    pub received: Timestamp,
    /// The log types that its records may have; empty means every known one.
    pub log_types: Vec<LogType>,
    /// The first lines of the file, if these bytes are a later part of it: they may name the columns.
    pub head: Option<Bytes>,
}

/// One raw event: a slice of its payload's (decompressed) bytes.
#[derive(Clone, Debug)]
pub struct Record {
    /// Position among the records of the origin, from 0.
    pub ordinal: u64,
    pub bytes: Bytes,
    /// The first lines of the stream of lines that it was cut from; other streams have none.
    pub head: Option<Arc<Head>>,
    /// What the record's envelope says of it, as a JSON object: becomes `p_header`.
    pub header: Option<Arc<str>>,
    /// Who the record is, where a place in a stream does not say it: a row of a table, a failure that is replayed.
    pub identity: Option<RowId>,
}

impl Record {
    /// A record that came alone.
    #[must_use]
    pub fn alone(ordinal: u64, bytes: Bytes) -> Self {
        Self { ordinal, bytes, head: None, header: None, identity: None }
    }

    /// Known by more than its place.
    #[must_use]
    pub fn known_as(mut self, identity: RowId) -> Self {
        self.identity = Some(identity);
        self
    }

    /// The `p_row_id` of what becomes of it.
    #[must_use]
    pub fn row_id(&self, origin: &Origin) -> RowId {
        self.identity.unwrap_or_else(|| RowId::of(&origin.source, &origin.key, self.ordinal, 0))
    }
}

/// The first whole lines of a stream. Formats that name their columns once need them with every record, because records
/// of one stream are read by several threads, and after a crash from the middle on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub lines: Bytes,
    /// The ordinal of the record that the first line is; none if the head was read with an earlier part.
    pub first: Option<u64>,
}
