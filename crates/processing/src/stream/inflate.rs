//! Readers of unpacked bytes: gzip (any number of members), zstd (any number of frames), bzip2 (any number of streams)
//! and framed snappy.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use flate2::bufread::GzDecoder;

use super::packing::{GZIP_FIRST, HEAD_BYTES, Packing};

pub(super) type Packed = Box<dyn BufRead + Send>;

/// Large reads go past this buffer; it is there to look at the first bytes, and for what is packed twice.
const UNPACKED_BUFFER: usize = 64 * 1024;

/// What is known of the bytes a stream is read from, while readers stand in between.
#[derive(Clone, Default)]
pub(super) struct Gauge(Arc<GaugeState>);

#[derive(Default)]
struct GaugeState {
    read: AtomicU64,
    /// Reading itself failed, which is no property of the bytes.
    error: Mutex<Option<io::Error>>,
}

impl Gauge {
    /// Packed bytes read so far.
    pub(super) fn read(&self) -> u64 {
        self.0.read.load(Ordering::Relaxed)
    }

    pub(super) fn take_error(&self) -> Option<io::Error> {
        self.0.error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Bytes in memory, counting how many have been read.
pub(super) struct InMemory {
    bytes: Bytes,
    at: usize,
    gauge: Gauge,
}

impl InMemory {
    pub(super) fn new(bytes: Bytes, gauge: Gauge) -> Self {
        Self { bytes, at: 0, gauge }
    }
}

impl Read for InMemory {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = (&self.bytes[self.at..]).read(out)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for InMemory {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(&self.bytes[self.at..])
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
        self.gauge.0.read.store(self.at as u64, Ordering::Relaxed);
    }
}

/// Something read from outside, counting, and keeping the error that ended the reading.
pub(super) struct FromOutside {
    reader: Box<dyn Read + Send>,
    gauge: Gauge,
}

impl FromOutside {
    pub(super) fn new(reader: Box<dyn Read + Send>, gauge: Gauge) -> Self {
        Self { reader, gauge }
    }
}

impl Read for FromOutside {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self.reader.read(out) {
            Ok(count) => {
                self.gauge.0.read.fetch_add(count as u64, Ordering::Relaxed);
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                *self.gauge.0.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Err(io::Error::other("the input cannot be read"))
            }
        }
    }
}

/// The first bytes of a reader, up to [`HEAD_BYTES`], and the reader with them still to come.
pub(super) fn peek(mut reader: Packed) -> io::Result<(Vec<u8>, Packed)> {
    let first = reader.fill_buf()?;
    if first.len() >= HEAD_BYTES {
        return Ok((first[..HEAD_BYTES].to_vec(), reader));
    }
    let mut head = Vec::with_capacity(HEAD_BYTES);
    match (&mut reader).take(HEAD_BYTES as u64).read_to_end(&mut head) {
        Err(error) if head.is_empty() => return Err(error),
        // The bytes before it are good; whoever reads on meets it.
        Err(error) => reader = buffered(Failed(Some(error))),
        Ok(_) => {}
    }
    Ok((head.clone(), Box::new(io::Cursor::new(head).chain(reader))))
}

/// An error that is still to come.
struct Failed(Option<io::Error>);

impl Read for Failed {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// A reader of the unpacked bytes, for the packings that are one stream of bytes inside.
pub(super) fn unpack(packing: Packing, packed: Packed) -> io::Result<Packed> {
    Ok(match packing {
        Packing::Gzip => buffered(Members { member: Some(GzDecoder::new(packed)) }),
        Packing::Zstd => buffered(zstd::stream::read::Decoder::with_buffer(packed)?),
        Packing::Bzip2 => buffered(bzip2::bufread::MultiBzDecoder::new(packed)),
        Packing::Snappy => buffered(snap::read::FrameDecoder::new(packed)),
        Packing::Zip | Packing::Columns(_) => packed,
    })
}

pub(super) fn buffered(reader: impl Read + Send + 'static) -> Packed {
    Box::new(BufReader::with_capacity(UNPACKED_BUFFER, reader))
}

/// All members of a gzip stream. Zeros behind the last one are padding; anything else there is an error.
struct Members {
    member: Option<GzDecoder<Packed>>,
}

impl Read for Members {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let count = member.read(out)?;
            if count > 0 || out.is_empty() {
                return Ok(count);
            }
            let Some(ended) = self.member.take() else { break };
            let mut packed = ended.into_inner();
            let rest = packed.fill_buf()?;
            if rest.first() == Some(&GZIP_FIRST) {
                self.member = Some(GzDecoder::new(packed));
                continue;
            }
            padding(&mut packed)?;
        }
        Ok(0)
    }
}

fn padding(packed: &mut dyn BufRead) -> io::Result<()> {
    loop {
        let rest = packed.fill_buf()?;
        if rest.is_empty() {
            return Ok(());
        }
        if rest.iter().any(|&byte| byte != 0) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "more bytes after the end of the gzip stream"));
        }
        let count = rest.len();
        packed.consume(count);
    }
}
