//! Bytes pushed to us become WAL entries: durable before they are acknowledged.
//!
//! An entry is the source's id, the time of receipt and the bytes as received. Its place in the log is the payload's
//! origin key, so reading the log again after a crash gives every event the same `p_row_id`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use uncia_document::Timestamp;
use uncia_model::{LogType, Origin, Payload, SourceId};
use uncia_processing::StreamType;
use uncia_sources::{Intake, IntakeError};
use uncia_wal::{Position, Wal};

use crate::input::{End, Input};

/// When senders are asked to come back after the log refused an entry.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Version of the entry's layout: u8 version, u16 length of the source id, id, i64 microseconds, body.
const VERSION: u8 = 1;

/// What the walk knows of a source whose payloads come through the log.
#[derive(Clone, Debug)]
pub struct KnownSource {
    pub label: Arc<str>,
    pub log_types: Vec<LogType>,
    pub stream: StreamType,
}

/// Writes payloads into the log.
pub struct WalIntake {
    wal: Arc<Wal>,
}

impl WalIntake {
    #[must_use]
    pub fn new(wal: Arc<Wal>) -> Self {
        Self { wal }
    }
}

#[async_trait]
impl Intake for WalIntake {
    async fn accept(&self, source: &SourceId, body: Bytes, received: Timestamp) -> Result<(), IntakeError> {
        match self.wal.append(encode(source, received, &body)).await {
            Ok(position) => {
                tracing::debug!(source.id = %source, ?position, size_bytes = body.len(), "accepted");
                Ok(())
            }
            Err(error) => {
                tracing::error!(source.id = %source, "cannot write {} bytes to the log: {error}", body.len());
                Err(IntakeError::Unavailable { retry_after: RETRY_AFTER, reason: error.to_string() })
            }
        }
    }
}

fn encode(source: &SourceId, received: Timestamp, body: &Bytes) -> Bytes {
    let id = source.as_str().as_bytes();
    let mut entry = BytesMut::with_capacity(11 + id.len() + body.len());
    entry.put_u8(VERSION);
    entry.put_u16(id.len() as u16);
    entry.put_slice(id);
    entry.put_i64(received.micros);
    entry.put_slice(body);
    entry.freeze()
}

/// An entry that this version cannot read.
#[derive(Debug, thiserror::Error)]
#[error("log entry at {position:?} has an unknown layout (first byte {first})")]
pub struct UnknownEntry {
    position: Position,
    first: u8,
}

/// Turns a log entry back into an input. A source that is no longer configured keeps its name and tries all log types.
pub fn decode(
    position: Position,
    end: Position,
    mut entry: Bytes,
    sources: &HashMap<SourceId, KnownSource>,
) -> Result<Input, UnknownEntry> {
    let unknown = |entry: &Bytes| UnknownEntry { position, first: entry.first().copied().unwrap_or_default() };
    if entry.len() < 11 || entry[0] != VERSION {
        return Err(unknown(&entry));
    }
    entry.advance(1);
    let length = usize::from(entry.get_u16());
    if entry.len() < length + 8 {
        return Err(unknown(&entry));
    }
    let id = entry.split_to(length);
    let source = SourceId::new(String::from_utf8_lossy(&id));
    let received = Timestamp::from_micros(entry.get_i64());
    let known = sources.get(&source).cloned().unwrap_or_else(|| KnownSource {
        label: source.as_str().into(),
        log_types: Vec::new(),
        stream: StreamType::Auto,
    });
    let origin = Origin { source, source_label: known.label, key: origin_key(position).into(), place: None };
    let payload = Payload { origin, bytes: entry, received, log_types: known.log_types, head: None };
    Ok(Input::new(payload, &known.stream, 0).ending(End::Log(end)))
}

/// The origin key of an entry's payload.
#[must_use]
pub fn origin_key(position: Position) -> String {
    format!("wal:{}:{}", position.segment, position.offset)
}
