//! Where a stream's bytes come from, piece by piece: as they are, or unpacked.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use uncia_model::limits::{MAX_INFLATE_RATIO, MAX_INFLATED_BYTES};

use super::inflate::{FromOutside, Gauge, InMemory, Packed, buffered, peek, unpack};
use super::packing::{HEAD_BYTES, Packing, unsupported};
use super::utf16::{Utf16, byte_order};
use super::zip;
use crate::columns::{Columnar, MAX_COLUMNAR_BYTES, Rows};

/// Unpacked bytes per piece; records within a piece share it.
const PIECE_BYTES: usize = 512 * 1024;
/// Pieces that carry a long record's beginning grow with it up to this.
const MAX_PIECE_BYTES: usize = 8 * 1024 * 1024;
/// The ratio is judged only beyond this many bytes: a small file of equal lines is no bomb.
const RATIO_FROM_BYTES: u64 = 256 * 1024 * 1024;
/// One packing may hold another; what holds a third is refused.
const MAX_LEVELS: usize = 2;

pub(super) enum Feed {
    /// Pieces as they are: a payload in memory that is not packed is one.
    Pieces(std::vec::IntoIter<Bytes>),
    Reading(Box<Reading>),
}

/// Bytes read on the way, through whatever they are packed in.
pub(super) struct Reading {
    reader: Packed,
    /// The packings that were taken off, the outermost first.
    packings: Vec<Packing>,
    /// The zip that the stream is a member of, after how many packings it came, and the member's name.
    zip: Option<(zip::Members, usize, String)>,
    rows: Option<Rows>,
    columnar: Option<Arc<dyn Columnar>>,
    /// Packed bytes in all, where it is known beforehand.
    packed_bytes: Option<u64>,
    gauge: Gauge,
    unpacked: u64,
    /// The packings of the present stream are known.
    is_opened: bool,
    /// The bytes end early, which has been told.
    is_cut: bool,
    /// It unpacks to too much: nothing more is taken from it.
    is_bomb: bool,
}

/// Bytes, none (the end), or what is wrong with the rest.
pub(super) struct Fill {
    pub(super) piece: Option<Bytes>,
    pub(super) trouble: Option<Trouble>,
}

/// Why a feed ends before its end.
pub(super) enum Trouble {
    /// The bytes are not what they should be.
    Content(String),
    /// They could not be read; another time they may be.
    Reading(io::Error),
}

impl Feed {
    pub(super) fn in_memory(payload: &Bytes, columnar: Option<Arc<dyn Columnar>>) -> Self {
        let head = &payload[..payload.len().min(HEAD_BYTES)];
        if Packing::of(head).is_none() && unsupported(head).is_none() && byte_order(head).is_none() {
            return Self::Pieces(vec![payload.clone()].into_iter());
        }
        let gauge = Gauge::default();
        let reader = Box::new(InMemory::new(payload.clone(), gauge.clone()));
        Self::Reading(Box::new(Reading::new(reader, gauge, Some(payload.len() as u64), columnar)))
    }

    pub(super) fn from_outside(
        reader: Box<dyn Read + Send>,
        size: Option<u64>,
        columnar: Option<Arc<dyn Columnar>>,
    ) -> Self {
        let gauge = Gauge::default();
        let reader = buffered(FromOutside::new(reader, gauge.clone()));
        Self::Reading(Box::new(Reading::new(reader, gauge, size, columnar)))
    }

    /// The next piece, with `carried` before it.
    pub(super) fn fill(&mut self, carried: &[u8]) -> Fill {
        match self {
            Self::Pieces(pieces) => {
                let piece = pieces.next().map(|piece| match carried {
                    [] => piece,
                    _ => [carried, &piece].concat().into(),
                });
                Fill { piece, trouble: None }
            }
            Self::Reading(reading) => reading.fill(carried),
        }
    }

    /// Whether the bytes are rows, one a line, whatever the stream is said to be.
    pub(super) fn is_rows(&self) -> bool {
        matches!(self, Self::Reading(reading) if reading.rows.is_some())
    }

    /// Goes on to the next stream, if the bytes hold more than one.
    pub(super) fn next_stream(&mut self) -> Result<bool, Trouble> {
        match self {
            Self::Pieces(_) => Ok(false),
            Self::Reading(reading) => reading.next_stream(),
        }
    }

    /// What a person calls the present stream, if it is one of several.
    pub(super) fn stream_name(&self) -> Option<&str> {
        match self {
            Self::Reading(reading) => reading.zip.as_ref().map(|(_, _, name)| &**name),
            Self::Pieces(_) => None,
        }
    }
}

impl Reading {
    fn new(reader: Packed, gauge: Gauge, packed_bytes: Option<u64>, columnar: Option<Arc<dyn Columnar>>) -> Self {
        Self {
            reader,
            packings: Vec::new(),
            zip: None,
            rows: None,
            columnar,
            packed_bytes,
            gauge,
            unpacked: 0,
            is_opened: false,
            is_cut: false,
            is_bomb: false,
        }
    }

    fn fill(&mut self, carried: &[u8]) -> Fill {
        if !std::mem::replace(&mut self.is_opened, true)
            && let Err(trouble) = self.open()
        {
            return Fill { piece: None, trouble: Some(trouble) };
        }
        if let Some(rows) = &mut self.rows {
            let (piece, trouble) = match rows.next() {
                None => (None, None),
                Some(Ok(lines)) => {
                    self.unpacked += lines.len() as u64;
                    (Some([carried, &lines].concat().into()), self.bomb())
                }
                Some(Err(error)) => (None, Some(format!("{}: {error}", self.name()))),
            };
            return Fill { piece, trouble: trouble.map(Trouble::Content) };
        }
        // A piece grows with what is carried, so that a long record is copied a few times and not every time.
        let wanted = carried.len().clamp(PIECE_BYTES, MAX_PIECE_BYTES);
        let mut piece = Vec::with_capacity(carried.len() + wanted);
        piece.extend_from_slice(carried);
        let result = (&mut self.reader).take(wanted as u64).read_to_end(&mut piece);
        let fresh = piece.len() - carried.len();
        self.unpacked += fresh as u64;
        let trouble = match result {
            Err(error) => Some(self.trouble(&error)),
            Ok(_) if self.packings.is_empty() => None,
            Ok(_) => self.bomb().map(Trouble::Content),
        };
        Fill { piece: (fresh > 0).then(|| piece.into()), trouble }
    }

    /// Takes the packings off, as far as that is done.
    fn open(&mut self) -> Result<(), Trouble> {
        loop {
            let (head, reader) = match peek(self.take_reader()) {
                Ok(peeked) => peeked,
                Err(error) => return Err(self.trouble(&error)),
            };
            self.reader = reader;
            if let Some(name) = unsupported(&head) {
                return Err(Trouble::Content(format!(
                    "{name} is not supported: send plain text, gzip, zstd, bzip2, framed snappy, zip, Parquet or Avro"
                )));
            }
            if let Some(is_big_endian) = byte_order(&head) {
                self.reader = buffered(Utf16::new(self.take_reader(), is_big_endian));
                return Ok(());
            }
            let Some(packing) = Packing::of(&head) else { return Ok(()) };
            if self.packings.len() == MAX_LEVELS {
                return Err(Trouble::Content("packed more than twice".to_owned()));
            }
            let packed = self.take_reader();
            self.packings.push(packing);
            match packing {
                Packing::Columns(format) => return self.open_rows(format, packed),
                Packing::Zip if self.zip.is_some() => {
                    return Err(Trouble::Content("a zip within a zip is not opened".to_owned()));
                }
                Packing::Zip => {
                    self.zip = Some((zip::Members::new(packed), self.packings.len(), String::new()));
                    // A zip without members is an empty stream.
                    self.next_stream()?;
                    self.is_opened = true;
                }
                _ => match unpack(packing, packed) {
                    Ok(reader) => self.reader = reader,
                    Err(error) => return Err(self.trouble(&error)),
                },
            }
        }
    }

    fn open_rows(&mut self, format: crate::columns::ColumnarFormat, packed: Packed) -> Result<(), Trouble> {
        let Some(columnar) = self.columnar.clone() else {
            return Err(Trouble::Content(format!("{} is not opened here", format.name())));
        };
        let mut file = Vec::new();
        if let Err(error) = packed.take(MAX_COLUMNAR_BYTES as u64 + 1).read_to_end(&mut file) {
            return Err(self.trouble(&error));
        }
        if file.len() > MAX_COLUMNAR_BYTES {
            return Err(Trouble::Content(format!(
                "a {} file of more than {MAX_COLUMNAR_BYTES} bytes is not opened; write smaller ones",
                format.name()
            )));
        }
        match columnar.rows(format, file.into()) {
            Ok(rows) => self.rows = Some(rows),
            Err(error) => return Err(Trouble::Content(format!("{}: {error}", format.name()))),
        }
        Ok(())
    }

    fn next_stream(&mut self) -> Result<bool, Trouble> {
        let Some((members, levels, name)) = &mut self.zip else { return Ok(false) };
        if self.is_bomb {
            return Ok(false);
        }
        self.packings.truncate(*levels);
        self.rows = None;
        // Whatever reads the last member lets go of it.
        self.reader = Box::new(io::empty());
        match members.next() {
            Ok(Some(next)) => {
                *name = next;
                self.reader = buffered(members.clone());
                self.is_opened = false;
                Ok(true)
            }
            Ok(None) => {
                self.zip = None;
                Ok(false)
            }
            Err(error) => {
                let was_told = std::mem::replace(&mut self.is_cut, error.kind() == io::ErrorKind::UnexpectedEof);
                let trouble = self.trouble(&error);
                self.zip = None;
                if was_told && self.is_cut { Ok(false) } else { Err(trouble) }
            }
        }
    }

    fn take_reader(&mut self) -> Packed {
        std::mem::replace(&mut self.reader, Box::new(io::empty()))
    }

    fn trouble(&mut self, error: &io::Error) -> Trouble {
        if let Some(error) = self.gauge.take_error() {
            return Trouble::Reading(error);
        }
        let (at, name) = (self.gauge.read(), self.name());
        let unpacked = self.unpacked;
        if error.kind() == io::ErrorKind::UnexpectedEof {
            self.is_cut = true;
            return Trouble::Content(format!(
                "the {name} stream is cut off: its {at} bytes end before it does; {unpacked} bytes could be unpacked"
            ));
        }
        let of = self.packed_bytes.map(|size| format!(" of {size}")).unwrap_or_default();
        Trouble::Content(format!(
            "the {name} stream is damaged near byte {at}{of}: {error}; {unpacked} bytes could be unpacked"
        ))
    }

    /// The packing nearest to the records.
    fn name(&self) -> &'static str {
        self.packings.last().map_or("plain", |packing| packing.name())
    }

    fn bomb(&mut self) -> Option<String> {
        let ratio = self.unpacked / self.gauge.read().max(1);
        let message = if self.unpacked > MAX_INFLATED_BYTES {
            format!("unpacks to more than {MAX_INFLATED_BYTES} bytes")
        } else if self.unpacked > RATIO_FROM_BYTES && ratio > MAX_INFLATE_RATIO {
            format!(
                "unpacks to more than {MAX_INFLATE_RATIO} times its size ({} bytes so far), as only bombs do",
                self.unpacked
            )
        } else {
            return None;
        };
        self.is_bomb = true;
        Some(message)
    }
}
