//! The write-ahead log: bytes are on the disk before their sender is told so.
//!
//! ```text
//! append ─▶ queue ─▶ writer thread: write the waiting group, one fdatasync, answer all ─▶ synced end ─▶ read_from
//! ```
//!
//! What is promised, whatever the moment at which the power goes:
//! - an acknowledged entry is read again, in its order; what is read was appended once, byte for byte;
//! - a half-written tail is cut off on opening; positions are never used twice;
//! - damage to what was acknowledged is reported with segment and offset, and the entries around it are still read.
//!
//! A failed fsync poisons the log until it is opened anew: the kernel may have dropped the pages, so that a second,
//! successful fsync would prove nothing. A failed write (a full disk) is taken back, and the next append tries again.
//!
//! All file access goes through [`Fs`], so that [`fs::SimulatedFs`] can lose, tear and reorder writes and flip bits.

mod error;
pub mod fs;
mod log;
mod reader;
mod record;
mod recovery;
mod segment;
mod writer;

pub use error::{Damage, WalError};
pub use fs::Fs;
pub use log::{Position, Wal, WalConfig};
pub use reader::{Entry, Reader};
pub use recovery::Recovery;
