//! The few things the log asks of a file system.

mod real;
mod simulated;

use std::io;
use std::path::Path;
use std::sync::Arc;

pub use real::RealFs;
pub use simulated::{Operation, SimulatedFs};

/// A file system.
pub trait Fs: Send + Sync {
    /// Makes the directory and those above it, durably.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// The names in the directory, in no order.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Makes an empty file, in place of one that is there. Its name is durable after [`Fs::sync_dir`].
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// Open files stay readable. Durable after [`Fs::sync_dir`].
    fn remove(&self, path: &Path) -> io::Result<()>;
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// A number that the senders of entries cannot guess.
    fn random(&self) -> u64;
}

/// An open file. Bytes at different offsets can be read and written at the same time.
pub trait File: Send + Sync {
    /// Fills the buffer, or fails with `UnexpectedEof`.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
    /// Writes all bytes; some of them may be there after an error.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    fn size(&self) -> io::Result<u64>;
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes the contents and the length durable.
    fn sync(&self) -> io::Result<()>;
}
