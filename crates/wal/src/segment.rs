//! A segment's file: its name and header, and the scan that finds its records.
//!
//! The header is kept twice, in sectors of its own, because without its salt no record could be checked. Records start
//! at [`DATA_START`].

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::fs::File;
use crate::record::{FRAME, Frame, MAX_ENTRY};

pub(crate) const DATA_START: u64 = 1024;
pub(crate) const FORMAT: u32 = 1;
const COPIES: [u64; 2] = [0, 512];
/// A copy fills its sector, so that its checksum covers every bit before [`DATA_START`].
pub(crate) const HEADER: usize = 512;
const CHECKED: usize = HEADER - 4;
const MAGIC: &[u8; 8] = b"UNCIAWAL";
/// Bytes read at once.
const CHUNK: u64 = 256 * 1024;

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) format: u32,
    pub(crate) number: u64,
    pub(crate) first_seq: u64,
    pub(crate) salt: u64,
}

impl Header {
    /// The segment's first bytes, up to [`DATA_START`].
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut copy = Vec::with_capacity(HEADER);
        copy.extend_from_slice(MAGIC);
        copy.extend_from_slice(&self.format.to_le_bytes());
        copy.extend_from_slice(&[0; 4]);
        copy.extend_from_slice(&self.number.to_le_bytes());
        copy.extend_from_slice(&self.first_seq.to_le_bytes());
        copy.extend_from_slice(&self.salt.to_le_bytes());
        copy.resize(CHECKED, 0);
        copy.extend_from_slice(&crc32c::crc32c(&copy).to_le_bytes());
        copy.repeat(COPIES.len())
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let u32_at = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let u64_at = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let intact = bytes.starts_with(MAGIC) && u32_at(CHECKED)? == crc32c::crc32c(&bytes[..CHECKED]);
        let header = Self { format: u32_at(8)?, number: u64_at(16)?, first_seq: u64_at(24)?, salt: u64_at(32)? };
        intact.then_some(header)
    }

    /// The header of a file, and the offsets of its copies that are damaged.
    pub(crate) fn read(file: &dyn File, number: u64) -> io::Result<(Option<Self>, Vec<u64>)> {
        let mut header = None;
        let mut damaged = Vec::new();
        for start in COPIES {
            let mut bytes = [0; HEADER];
            match file.read_at(start, &mut bytes) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
                Err(error) => return Err(error),
            }
            match Self::decode(&bytes).filter(|header| header.number == number) {
                Some(intact) => header = Some(intact),
                None => damaged.push(start),
            }
        }
        Ok((header, damaged))
    }
}

/// The file of a segment.
pub(crate) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016}.wal"))
}

/// The segment that a file of this name is.
pub(crate) fn number(name: &str) -> Option<u64> {
    name.strip_suffix(".wal").filter(|digits| digits.len() == 16)?.parse().ok()
}

/// What is at an offset.
#[derive(Debug)]
pub(crate) enum Found {
    Record { frame: Frame, end: u64 },
    Nothing,
}

/// Looks for records in a segment, in chunks.
pub(crate) struct Scan {
    pub(crate) header: Header,
    file: Arc<dyn File>,
    chunk: Bytes,
    chunk_start: u64,
}

impl Scan {
    pub(crate) fn new(file: Arc<dyn File>, header: Header) -> Self {
        Self { header, file, chunk: Bytes::new(), chunk_start: 0 }
    }

    /// The valid record at the offset, if there is one that ends by `limit` and is numbered `lowest` or more.
    pub(crate) fn record_at(&mut self, offset: u64, limit: u64, lowest: u64) -> io::Result<Found> {
        let room = limit.saturating_sub(offset);
        if room < FRAME {
            return Ok(Found::Nothing);
        }
        let frame = Frame::read(self.view(offset, FRAME, limit)?);
        // A record numbered higher would need more records before it than there is room for since the segment's start.
        let highest = self.header.first_seq.saturating_add((offset - DATA_START) / FRAME);
        let plausible = frame.len() <= (room - FRAME).min(MAX_ENTRY as u64) && (lowest..=highest).contains(&frame.seq);
        if !plausible {
            return Ok(Found::Nothing);
        }
        let header = self.header;
        let intact = frame.matches(&header, self.view(offset + FRAME, frame.len(), limit)?);
        Ok(if intact { Found::Record { frame, end: offset + FRAME + frame.len() } } else { Found::Nothing })
    }

    /// The offset of the first valid record behind `offset`.
    pub(crate) fn next_record(&mut self, offset: u64, limit: u64, lowest: u64) -> io::Result<Option<u64>> {
        for candidate in offset + 1..limit {
            if let Found::Record { .. } = self.record_at(candidate, limit, lowest)? {
                return Ok(Some(candidate));
            }
        }
        Ok(None)
    }

    /// Whether a group starts at a record at or behind `offset`: all before that group was synced before it was written.
    pub(crate) fn group_starts_behind(&mut self, offset: u64, limit: u64, lowest: u64) -> io::Result<bool> {
        let mut next = Some(offset);
        while let Some(at) = next {
            next = match self.record_at(at, limit, lowest)? {
                Found::Record { frame, .. } if frame.first_of_group() => return Ok(true),
                Found::Record { end, .. } => Some(end),
                Found::Nothing => self.next_record(at, limit, lowest)?,
            };
        }
        Ok(false)
    }

    /// The bytes of a record that was found.
    pub(crate) fn bytes(&mut self, offset: u64, frame: Frame, limit: u64) -> io::Result<Bytes> {
        let (start, len) = (offset + FRAME, frame.len());
        self.view(start, len, limit)?;
        let from = usize::try_from(start - self.chunk_start).expect("within the chunk");
        Ok(self.chunk.slice(from..from + usize::try_from(len).expect("at most MAX_ENTRY")))
    }

    /// The bytes at the offset; reads ahead, but not beyond `limit`: what is behind it may still change.
    fn view(&mut self, offset: u64, len: u64, limit: u64) -> io::Result<&[u8]> {
        let inside = offset >= self.chunk_start && offset + len <= self.chunk_start + self.chunk.len() as u64;
        if !inside {
            let wanted = len.max(CHUNK).min(limit - offset);
            let mut chunk = vec![0; usize::try_from(wanted).expect("at most a record")];
            self.file.read_at(offset, &mut chunk)?;
            self.chunk = chunk.into();
            self.chunk_start = offset;
        }
        let from = usize::try_from(offset - self.chunk_start).expect("within the chunk");
        Ok(&self.chunk[from..from + usize::try_from(len).expect("at most a record")])
    }
}
