//! Where the stream's bytes come from, piece by piece: as they are, or unpacked.

use std::io::{BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use uncia_model::limits::{MAX_INFLATE_RATIO, MAX_INFLATED_BYTES};

use super::inflate::{Packing, Source, unpack, unsupported_packing};

/// Unpacked bytes per piece; records within a piece share it.
const PIECE_BYTES: usize = 512 * 1024;
/// Pieces that carry a long record's beginning grow with it up to this.
const MAX_PIECE_BYTES: usize = 16 * 1024 * 1024;
/// The ratio is judged only beyond this many bytes: a small file of equal lines is no bomb.
const RATIO_FROM_BYTES: u64 = 256 * 1024 * 1024;

pub(super) enum Feed {
    /// Pieces as they are: a payload that is not packed is one.
    Pieces(std::vec::IntoIter<Bytes>),
    Packed(Packed),
    /// Nothing to give but this complaint.
    Refused(String),
}

pub(super) struct Packed {
    reader: Box<dyn BufRead + Send>,
    packing: Packing,
    read: Arc<AtomicU64>,
    packed_bytes: u64,
    unpacked: u64,
    is_nested_checked: bool,
}

/// Bytes, none (the end), or what is wrong with the rest.
pub(super) struct Fill {
    pub(super) piece: Option<Bytes>,
    pub(super) error: Option<String>,
}

impl Feed {
    pub(super) fn of(payload: &Bytes) -> Self {
        if let Some(name) = unsupported_packing(payload) {
            return Self::Refused(format!("{name} is not supported: send plain text, gzip or zstd"));
        }
        let Some(packing) = Packing::of(payload) else {
            return Self::Pieces(vec![payload.clone()].into_iter());
        };
        let (source, read) = Source::new(payload.clone());
        match unpack(packing, Box::new(source)) {
            Ok(reader) => Self::Packed(Packed {
                reader,
                packing,
                read,
                packed_bytes: payload.len() as u64,
                unpacked: 0,
                is_nested_checked: false,
            }),
            Err(error) => Self::Refused(format!("{}: {error}", name(packing))),
        }
    }

    /// The next piece, with `carried` before it.
    pub(super) fn fill(&mut self, carried: &[u8]) -> Fill {
        match self {
            Self::Refused(message) => Fill { piece: None, error: Some(std::mem::take(message)) },
            Self::Pieces(pieces) => {
                let piece = pieces.next().map(|piece| match carried {
                    [] => piece,
                    _ => [carried, &piece].concat().into(),
                });
                Fill { piece, error: None }
            }
            Self::Packed(packed) => packed.fill(carried),
        }
    }
}

impl Packed {
    fn fill(&mut self, carried: &[u8]) -> Fill {
        if !self.is_nested_checked {
            self.is_nested_checked = true;
            if let Err(message) = self.unpack_nested() {
                return Fill { piece: None, error: Some(message) };
            }
        }
        // A piece grows with what is carried, so that a long record is copied a few times and not every time.
        let wanted = carried.len().clamp(PIECE_BYTES, MAX_PIECE_BYTES);
        let mut piece = Vec::with_capacity(carried.len() + wanted);
        piece.extend_from_slice(carried);
        let result = (&mut self.reader).take(wanted as u64).read_to_end(&mut piece);
        let fresh = piece.len() - carried.len();
        self.unpacked += fresh as u64;
        let error = match result {
            Err(error) => Some(self.complaint(&error)),
            Ok(_) => self.bomb(),
        };
        Fill { piece: (fresh > 0).then(|| piece.into()), error }
    }

    /// Some senders pack what is packed already: one more level is taken off, further ones are not.
    fn unpack_nested(&mut self) -> Result<(), String> {
        for level in 0..2 {
            let packing = self.packing;
            let head = match self.reader.fill_buf() {
                Ok(head) => head,
                Err(error) => return Err(self.complaint(&error)),
            };
            let Some(inner) = Packing::of(head) else { break };
            if level == 1 {
                return Err("packed more than twice".to_owned());
            }
            let outer = std::mem::replace(&mut self.reader, Box::new(std::io::empty()));
            self.reader =
                unpack(inner, outer).map_err(|error| format!("{} within {}: {error}", name(inner), name(packing)))?;
        }
        Ok(())
    }

    fn complaint(&self, error: &std::io::Error) -> String {
        let (at, of) = (self.read.load(Ordering::Relaxed), self.packed_bytes);
        let name = name(self.packing);
        let is_cut = error.kind() == std::io::ErrorKind::UnexpectedEof;
        if is_cut {
            return format!(
                "the {name} stream is cut off: its {of} bytes end before it does; {} bytes could be unpacked",
                self.unpacked
            );
        }
        format!(
            "the {name} stream is damaged near byte {at} of {of}: {error}; {} bytes could be unpacked",
            self.unpacked
        )
    }

    fn bomb(&self) -> Option<String> {
        if self.unpacked > MAX_INFLATED_BYTES {
            return Some(format!("unpacks to more than {MAX_INFLATED_BYTES} bytes"));
        }
        let ratio = self.unpacked / self.read.load(Ordering::Relaxed).max(1);
        (self.unpacked > RATIO_FROM_BYTES && ratio > MAX_INFLATE_RATIO).then(|| {
            format!(
                "unpacks to more than {MAX_INFLATE_RATIO} times its size ({} bytes so far), as only bombs do",
                self.unpacked
            )
        })
    }
}

fn name(packing: Packing) -> &'static str {
    match packing {
        Packing::Gzip => "gzip",
        Packing::Zstd => "zstd",
    }
}
