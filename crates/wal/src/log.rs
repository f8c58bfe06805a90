//! The log as its users see it: append, read, release.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::fs::Fs;
use crate::reader::Reader;
use crate::record::MAX_ENTRY;
use crate::recovery::{self, Recovery};
use crate::segment::{self, Header};
use crate::writer::{Append, Writer};
use crate::{Damage, WalError};

/// A place in the log. Positions order as the entries do, and none is ever used for two entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    pub segment: u64,
    pub offset: u64,
}

impl Position {
    /// Before all entries.
    pub const START: Self = Self { segment: 0, offset: 0 };

    #[must_use]
    pub const fn new(segment: u64, offset: u64) -> Self {
        Self { segment, offset }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.segment, self.offset)
    }
}

/// How the log is kept.
#[derive(Clone, Debug)]
pub struct WalConfig {
    /// A segment is closed when the next group would make it longer than this.
    pub segment_bytes: u64,
    /// Entries are synced together up to so many bytes.
    pub group_bytes: usize,
    /// Bytes that may wait to be written; further appends wait for room.
    pub queue_bytes: usize,
    /// What the store says is consumed. Segments before it are removed on opening, and a log that lost its files goes
    /// on behind it, so that no position is used twice.
    pub consumed: Position,
}

impl Default for WalConfig {
    fn default() -> Self {
        Self {
            segment_bytes: 64 * 1024 * 1024,
            group_bytes: 8 * 1024 * 1024,
            queue_bytes: 64 * 1024 * 1024,
            consumed: Position::START,
        }
    }
}

/// Unit of the queue's room: a permit for each byte would overflow the semaphore's count.
const ROOM_UNIT: usize = 1024;

/// The write-ahead log. One process at a time may have it open; dropping it writes what waits.
#[derive(Debug)]
pub struct Wal {
    shared: Arc<Shared>,
    queue: Option<mpsc::UnboundedSender<Append>>,
    room: Arc<Semaphore>,
    room_units: usize,
    writer: Option<JoinHandle<()>>,
}

/// What the log, its writer and its readers share.
pub(crate) struct Shared {
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) dir: PathBuf,
    pub(crate) segments: Mutex<BTreeMap<u64, Stored>>,
    pub(crate) synced: watch::Sender<Position>,
    pub(crate) poison: OnceLock<Arc<str>>,
}

/// A segment that is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored {
    /// `None` if both copies are damaged.
    pub(crate) header: Option<Header>,
    /// The file's length; of the segment being written, its length when it was begun.
    pub(crate) len: u64,
}

impl Shared {
    pub(crate) fn segments(&self) -> MutexGuard<'_, BTreeMap<u64, Stored>> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Wal {
    /// Opens the log in a directory, making it if needed, and puts right what a crash left behind. Blocks on the disk.
    pub fn open(fs: Arc<dyn Fs>, dir: &Path, config: WalConfig) -> Result<(Self, Recovery), WalError> {
        let recovered = recovery::recover(&*fs, dir, config.consumed)?;
        let shared = Arc::new(Shared {
            fs,
            dir: dir.to_path_buf(),
            segments: Mutex::new(recovered.segments),
            synced: watch::Sender::new(recovered.recovery.next),
            poison: OnceLock::new(),
        });
        let room_units = (config.queue_bytes / ROOM_UNIT).clamp(1, Semaphore::MAX_PERMITS);
        let (queue, waiting) = mpsc::unbounded_channel();
        let writer = Writer::new(Arc::clone(&shared), config, recovered.active);
        let writer = std::thread::Builder::new()
            .name("uncia-wal".to_owned())
            .spawn(move || writer.run(waiting))
            .map_err(|source| WalError::io("start the writer of", dir, source))?;
        let room = Arc::new(Semaphore::new(room_units));
        Ok((Self { shared, queue: Some(queue), room, room_units, writer: Some(writer) }, recovered.recovery))
    }

    /// Appends an entry; returns its position once it is durable.
    ///
    /// If the future is dropped early, the entry may or may not be appended. After an error it was not acknowledged,
    /// but may still be there when the log is opened again.
    pub async fn append(&self, entry: Bytes) -> Result<Position, WalError> {
        if entry.len() > MAX_ENTRY {
            return Err(WalError::TooLarge { bytes: entry.len(), limit: MAX_ENTRY });
        }
        let units = (entry.len() / ROOM_UNIT + 1).min(self.room_units);
        let units = u32::try_from(units).expect("an entry has fewer units than bytes");
        let room = Arc::clone(&self.room).acquire_many_owned(units).await.map_err(|_| WalError::Closed)?;
        let (answer, answered) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(WalError::Closed)?;
        queue.send(Append { entry, answer, _room: room }).map_err(|_| WalError::Closed)?;
        answered.await.map_err(|_| WalError::Closed)?
    }

    /// Everything before this position is durable and can be read.
    #[must_use]
    pub fn synced_end(&self) -> Position {
        *self.shared.synced.borrow()
    }

    /// Tells of each move of the synced end.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Position> {
        self.shared.synced.subscribe()
    }

    /// Waits until there are entries at or behind the position, and returns the synced end.
    pub async fn wait_beyond(&self, position: Position) -> Position {
        let mut synced = self.shared.synced.subscribe();
        let end = synced.wait_for(|end| *end > position).await;
        *end.expect("the log keeps the sending side")
    }

    /// Why appends are refused, if they are.
    #[must_use]
    pub fn poison(&self) -> Option<Arc<str>> {
        self.shared.poison.get().cloned()
    }

    /// Reads entries from a position on: [`Position::START`], or a `next` that reading gave. Blocks on the disk.
    #[must_use]
    pub fn read_from(&self, position: Position) -> Reader {
        Reader::new(Arc::clone(&self.shared), position)
    }

    /// Reads every entry and returns the damage met.
    pub fn verify(&self) -> Result<Vec<Damage>, WalError> {
        let mut damages = Vec::new();
        let numbers: Vec<u64> = self.shared.segments().keys().copied().collect();
        for number in numbers {
            let path = segment::path(&self.shared.dir, number);
            let file = self.shared.fs.open(&path).map_err(|source| WalError::io("read", &path, source))?;
            let (header, copies) =
                Header::read(&*file, number).map_err(|source| WalError::io("read", &path, source))?;
            // Reading the entries tells of a segment without any header.
            let copies = copies.into_iter().filter(|_| header.is_some());
            damages.extend(copies.map(|offset| Damage::of_header_copy(number, offset)));
        }
        for entry in self.read_from(Position::START) {
            match entry {
                Ok(_) => {}
                Err(WalError::Damaged(damage)) => damages.push(damage),
                Err(error) => return Err(error),
            }
        }
        Ok(damages)
    }

    /// Deletes the segments all of whose entries are before the position; returns how many. Blocks on the disk.
    pub fn release(&self, before: Position) -> Result<usize, WalError> {
        let mut segments = self.shared.segments();
        // The newest segment stays: it carries the numbering on.
        let newest = segments.keys().next_back().copied();
        let consumed: Vec<u64> = segments
            .iter()
            .filter(|(number, stored)| before >= Position::new(**number, stored.len) && Some(**number) != newest)
            .map(|(number, _)| *number)
            .collect();
        // Oldest first and each made durable, so that a crash leaves no gap that would look like damage.
        for number in &consumed {
            let path = segment::path(&self.shared.dir, *number);
            self.shared.fs.remove(&path).map_err(|source| WalError::io("remove", &path, source))?;
            segments.remove(number);
            let dir = &self.shared.dir;
            self.shared.fs.sync_dir(dir).map_err(|source| WalError::io("sync", dir, source))?;
        }
        Ok(consumed.len())
    }
}

impl Drop for Wal {
    /// Waits for the writer, so that the log can be opened again at once.
    fn drop(&mut self) {
        self.room.close();
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            // A panic of the writer has been answered by closing every waiting append.
            let _ = writer.join();
        }
    }
}
