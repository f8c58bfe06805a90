//! Decompression, decided by content: gzip (any number of members) and zstd (any number of frames).

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use flate2::bufread::GzDecoder;

const GZIP: &[u8] = &[0x1f, 0x8b, 0x08];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// How bytes are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Gzip,
    Zstd,
}

impl Packing {
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        if head.starts_with(GZIP) {
            return Some(Self::Gzip);
        }
        // Skippable frames may come first: 0x184D2A50 to …5F.
        let is_skippable = matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]);
        (head.starts_with(ZSTD) || is_skippable).then_some(Self::Zstd)
    }
}

/// The name of a packing that is not read, to say so instead of showing garbage.
pub(super) fn unsupported_packing(head: &[u8]) -> Option<&'static str> {
    let known: [(&[u8], &str); 7] = [
        (b"BZh", "bzip2"),
        (b"\xfd7zXZ\0", "xz"),
        (b"PK\x03\x04", "zip"),
        (b"\x04\x22\x4d\x18", "lz4"),
        (b"\xff\x06\0\0sNaPpY", "framed snappy"),
        (b"PAR1", "Parquet"),
        (b"Obj\x01", "Avro"),
    ];
    known.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, name)| *name)
}

/// A payload's bytes, counting how many have been read.
pub(super) struct Source {
    bytes: Bytes,
    at: usize,
    read: Arc<AtomicU64>,
}

impl Source {
    pub(super) fn new(bytes: Bytes) -> (Self, Arc<AtomicU64>) {
        let read = Arc::new(AtomicU64::new(0));
        (Self { bytes, at: 0, read: read.clone() }, read)
    }
}

impl Read for Source {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = (&self.bytes[self.at..]).read(out)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Source {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(&self.bytes[self.at..])
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
        self.read.store(self.at as u64, Ordering::Relaxed);
    }
}

/// A reader of the unpacked bytes.
pub(super) fn unpack(packing: Packing, packed: Box<dyn BufRead + Send>) -> io::Result<Box<dyn BufRead + Send>> {
    Ok(match packing {
        Packing::Gzip => {
            Box::new(BufReader::with_capacity(UNPACKED_BUFFER, Members { member: Some(GzDecoder::new(packed)) }))
        }
        Packing::Zstd => {
            let decoder = zstd::stream::read::Decoder::with_buffer(packed)?;
            Box::new(BufReader::with_capacity(UNPACKED_BUFFER, decoder))
        }
    })
}

/// Large reads go past this buffer; it is there to look at the first bytes, and for what is packed twice.
const UNPACKED_BUFFER: usize = 64 * 1024;

/// All members of a gzip stream. Zeros behind the last one are padding; anything else there is an error.
struct Members {
    member: Option<GzDecoder<Box<dyn BufRead + Send>>>,
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
            if rest.first() == Some(&GZIP[0]) {
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
