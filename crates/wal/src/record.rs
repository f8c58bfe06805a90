//! One entry in its frame: length, checksum, sequence number, bytes.
//!
//! ```text
//! offset 0  u32  length of the bytes; the top bit marks the first record of a group (written and synced together)
//!        4  u32  crc32c of the segment's salt, the length field, the sequence number and the bytes
//!        8  u64  sequence number, from 1, without gaps over all segments
//!       16       bytes
//! ```
//! All numbers are little-endian. The salt is what keeps a sender from forging a record inside an entry, to be found
//! when reading goes on behind damage.

use crate::segment::Header;

pub(crate) const FRAME: u64 = 16;
/// Larger entries are refused; the walk's own limits are far below.
pub(crate) const MAX_ENTRY: usize = 64 * 1024 * 1024;

const FIRST_OF_GROUP: u32 = 1 << 31;

/// A record's frame, checked for plausibility but not yet against its checksum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    length_field: u32,
    crc: u32,
    pub(crate) seq: u64,
}

impl Frame {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let u32_at = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let seq = u64::from(u32_at(8)) | u64::from(u32_at(12)) << 32;
        Self { length_field: u32_at(0), crc: u32_at(4), seq }
    }

    /// Length of the entry.
    pub(crate) const fn len(self) -> u64 {
        (self.length_field & !FIRST_OF_GROUP) as u64
    }

    pub(crate) const fn first_of_group(self) -> bool {
        self.length_field & FIRST_OF_GROUP != 0
    }

    pub(crate) fn matches(self, header: &Header, bytes: &[u8]) -> bool {
        self.crc == checksum(header, self.length_field, self.seq, bytes)
    }
}

/// Appends a record to a buffer.
pub(crate) fn encode(buffer: &mut Vec<u8>, header: &Header, seq: u64, first_of_group: bool, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("entries are at most MAX_ENTRY long");
    let length_field = if first_of_group { length | FIRST_OF_GROUP } else { length };
    buffer.extend_from_slice(&length_field.to_le_bytes());
    buffer.extend_from_slice(&checksum(header, length_field, seq, bytes).to_le_bytes());
    buffer.extend_from_slice(&seq.to_le_bytes());
    buffer.extend_from_slice(bytes);
}

fn checksum(header: &Header, length_field: u32, seq: u64, bytes: &[u8]) -> u32 {
    let mut frame = [0; 20];
    frame[..8].copy_from_slice(&header.salt.to_le_bytes());
    frame[8..12].copy_from_slice(&length_field.to_le_bytes());
    frame[12..].copy_from_slice(&seq.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c(&frame), bytes)
}
