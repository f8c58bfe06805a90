//! What processing makes of a record: a typed event, or a failure that keeps the record.

use std::sync::Arc;

use bytes::Bytes;
use uncia_document::{Document, Timestamp};

use crate::{Head, LogType, RowId, SourceId};

/// Where records come from: the part of `p_row_id` that is the same however often the bytes are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub source: SourceId,
    pub source_label: Arc<str>,
    /// The stable key of these bytes: `blake3:<content hash>` of a file, `wal:<segment>:<offset>` of a request.
    pub key: Arc<str>,
    /// What a person would look for: a path, a URL path. Shown in `p_source_file`, no part of the identity.
    pub place: Option<Arc<str>>,
}

/// A typed event in normal form, standard fields included.
///
/// `document`'s root holds the schema's fields in the record's order with unknown fields at their places, then the `p_`
/// fields. Its JSON text is what rules see; the lake's columns are filled from its values.
#[derive(Clone, Debug)]
pub struct Event {
    pub log_type: LogType,
    pub row_id: RowId,
    /// `p_event_time`.
    pub time: Timestamp,
    /// `p_parse_time`.
    pub parse_time: Timestamp,
    pub document: Document,
    /// Bytes of the record it came from.
    pub raw_bytes: usize,
}

/// A record that did not become an event; lands in `monitor.classification_failures`.
#[derive(Clone, Debug)]
pub struct Failure {
    pub reason: FailureReason,
    /// One sentence for the user: what is wrong and where.
    pub message: String,
    /// Every candidate log type with what it said, in the order tried.
    pub candidates: Vec<(LogType, String)>,
    pub origin: Origin,
    pub row_id: RowId,
    pub ordinal: u64,
    pub time: Timestamp,
    /// The record's bytes: all of them, or of an oversized record the first [`crate::limits::MAX_FAILURE_PAYLOAD_BYTES`].
    pub payload: Bytes,
    /// Bytes of the whole record.
    pub size: u64,
    /// Name of the blob that keeps the whole of an oversized record.
    pub blob: Option<String>,
    /// The first lines of the stream it was cut from, where they may name its columns.
    pub head: Option<Arc<Head>>,
    /// Where those are kept.
    pub head_place: Option<HeadPlace>,
}

/// Where the first lines of a stream are kept: a part of a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadPlace {
    pub blob: String,
    pub start: u64,
}

impl Failure {
    /// With the identity of its record, where a place in a stream does not say it.
    #[must_use]
    pub fn known_as(mut self, identity: RowId) -> Self {
        self.row_id = identity;
        self.blob = self.blob.map(|_| identity.to_string());
        self
    }
}

/// Why a record is a failure. The text form is the column's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureReason {
    NoSchemaMatched,
    NotJson,
    InvalidUtf8,
    TooLarge,
    DecompressError,
    EnvelopeError,
    ParserPanic,
}

impl FailureReason {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoSchemaMatched => "no_schema_matched",
            Self::NotJson => "not_json",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::TooLarge => "too_large",
            Self::DecompressError => "decompress_error",
            Self::EnvelopeError => "envelope_error",
            Self::ParserPanic => "parser_panic",
        }
    }
}
