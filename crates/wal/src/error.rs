//! Why the log could not do it, and what it found damaged.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::segment::HEADER;

/// A stretch of the log that cannot be read. Entries before and behind it can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    pub segment: u64,
    pub offset: u64,
    pub bytes: u64,
    /// Entries that were there, where the numbering around the damage tells. 0 for a damaged copy of a header.
    pub entries: Option<u64>,
    /// `false` if it may be what an interrupted, never acknowledged write left behind.
    pub acknowledged: bool,
}

impl Damage {
    pub(crate) const fn of_header_copy(segment: u64, offset: u64) -> Self {
        Self { segment, offset, bytes: HEADER as u64, entries: Some(0), acknowledged: true }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segment {} is damaged at offset {}: {} bytes", self.segment, self.offset, self.bytes)?;
        match self.entries {
            Some(0) => f.write_str(" of a header that is kept twice, no entry"),
            Some(1) => f.write_str(" and 1 entry cannot be read"),
            Some(entries) => write!(f, " and {entries} entries cannot be read"),
            None => f.write_str(" and the entries there cannot be read"),
        }
    }
}

/// An operation of the log failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WalError {
    #[error("write-ahead log: no space left for {}: free some space and send again", path.display())]
    Full { path: PathBuf },
    #[error("write-ahead log: cannot {action} {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: Arc<io::Error> },
    #[error("write-ahead log takes nothing until it is opened again: {reason}")]
    Poisoned { reason: Arc<str> },
    #[error("write-ahead log is closed")]
    Closed,
    #[error("entry of {bytes} bytes is too large for the write-ahead log: the limit is {limit}")]
    TooLarge { bytes: usize, limit: usize },
    #[error("write-ahead log: {0}")]
    Damaged(Damage),
    #[error("{} has format {found} and this program knows {known}: use the newer uncia that wrote it", path.display())]
    Newer { path: PathBuf, found: u32, known: u32 },
}

impl WalError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::Io { action, path, source: Arc::new(source) },
        }
    }
}
