//! The thread that writes: all appends that wait become one write and one sync.
//!
//! While the disk syncs one group, the next one gathers, so that the log is as fast as the disk allows without a timer.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::fs::File;
use crate::log::{Position, Shared, Stored, WalConfig};
use crate::record::{self, FRAME};
use crate::segment::{self, DATA_START, FORMAT, Header};
use crate::{Fs, WalError};

/// An entry that waits to be written.
pub(crate) struct Append {
    pub(crate) entry: Bytes,
    pub(crate) answer: oneshot::Sender<Result<Position, WalError>>,
    pub(crate) _room: OwnedSemaphorePermit,
}

/// The segment being written.
pub(crate) struct Active {
    pub(crate) header: Header,
    pub(crate) file: Arc<dyn File>,
    /// Synced length: where the next group goes.
    pub(crate) len: u64,
    pub(crate) next_seq: u64,
}

impl Active {
    /// Makes a segment whose name and header are durable. If that fails, the log is as it was, but for the file.
    pub(crate) fn create(fs: &dyn Fs, dir: &std::path::Path, number: u64, next_seq: u64) -> Result<Self, CreateError> {
        let path = segment::path(dir, number);
        let header = Header { format: FORMAT, number, first_seq: next_seq, salt: fs.random() };
        let written = fs.create(&path).and_then(|file| {
            file.write_at(0, &header.encode())?;
            Ok(file)
        });
        let file = match written {
            Ok(file) => file,
            Err(source) => {
                // Best effort: an incomplete newest segment is also removed on opening.
                let _ = fs.remove(&path);
                return Err(CreateError::Refused(WalError::io("create", &path, source)));
            }
        };
        file.sync().and_then(|()| fs.sync_dir(dir)).map_err(|source| {
            let _ = fs.remove(&path);
            CreateError::Unsynced(WalError::io("sync", &path, source))
        })?;
        Ok(Self { header, file, len: DATA_START, next_seq })
    }
}

pub(crate) enum CreateError {
    /// Nothing was written that matters: try again.
    Refused(WalError),
    /// A sync failed.
    Unsynced(WalError),
}

impl From<CreateError> for WalError {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Refused(error) | CreateError::Unsynced(error) => error,
        }
    }
}

pub(crate) struct Writer {
    shared: Arc<Shared>,
    config: WalConfig,
    active: Active,
    /// A failed write left bytes behind `active.len` that must go before the next one.
    leftover: bool,
    buffer: Vec<u8>,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, config: WalConfig, active: Active) -> Self {
        Self { shared, config, active, leftover: false, buffer: Vec::new() }
    }

    /// Writes until the log is dropped and nothing waits any more.
    pub(crate) fn run(mut self, mut waiting: mpsc::UnboundedReceiver<Append>) {
        let mut group = Vec::new();
        let mut held = None;
        while let Some(first) = held.take().or_else(|| waiting.blocking_recv()) {
            let mut bytes = first.entry.len();
            group.push(first);
            while let Ok(next) = waiting.try_recv() {
                bytes += next.entry.len();
                if bytes > self.config.group_bytes {
                    held = Some(next);
                    break;
                }
                group.push(next);
            }
            let outcome = self.write(&group);
            // A receiver that is gone wants no answer.
            match outcome {
                Ok(positions) => {
                    for (append, position) in group.drain(..).zip(positions) {
                        let _ = append.answer.send(Ok(position));
                    }
                }
                Err(error) => {
                    for append in group.drain(..) {
                        let _ = append.answer.send(Err(error.clone()));
                    }
                }
            }
        }
    }

    fn write(&mut self, group: &[Append]) -> Result<Vec<Position>, WalError> {
        if let Some(reason) = self.shared.poison.get() {
            return Err(WalError::Poisoned { reason: Arc::clone(reason) });
        }
        if self.leftover {
            self.take_back()?;
        }
        let bytes: u64 = group.iter().map(|append| FRAME + append.entry.len() as u64).sum();
        if self.active.len > DATA_START && self.active.len + bytes > self.config.segment_bytes {
            self.begin_segment()?;
        }

        self.buffer.clear();
        let mut positions = Vec::with_capacity(group.len());
        let mut seq = self.active.next_seq;
        for append in group {
            positions.push(Position::new(self.active.header.number, self.active.len + self.buffer.len() as u64));
            let first_of_group = positions.len() == 1;
            record::encode(&mut self.buffer, &self.active.header, seq, first_of_group, &append.entry);
            seq += 1;
        }
        let path = segment::path(&self.shared.dir, self.active.header.number);
        if let Err(source) = self.active.file.write_at(self.active.len, &self.buffer) {
            // Nobody reads behind the synced end; if this fails too, the next append tries it first.
            self.leftover = true;
            let _ = self.take_back();
            return Err(WalError::io("write to", &path, source));
        }
        if let Err(source) = self.active.file.sync() {
            return Err(self.poisoned(&WalError::io("sync", &path, source)));
        }
        self.active.len += self.buffer.len() as u64;
        self.active.next_seq = seq;
        self.shared.synced.send_replace(Position::new(self.active.header.number, self.active.len));
        // One huge group must not hold its memory for ever.
        self.buffer.shrink_to(2 * self.config.group_bytes);
        Ok(positions)
    }

    /// Cuts off what a failed write left. The length is synced with the next group.
    fn take_back(&mut self) -> Result<(), WalError> {
        let path = segment::path(&self.shared.dir, self.active.header.number);
        self.active.file.set_len(self.active.len).map_err(|source| WalError::io("truncate", &path, source))?;
        self.leftover = false;
        Ok(())
    }

    fn begin_segment(&mut self) -> Result<(), WalError> {
        let number = self.active.header.number + 1;
        let next = match Active::create(&*self.shared.fs, &self.shared.dir, number, self.active.next_seq) {
            Ok(next) => next,
            Err(CreateError::Refused(error)) => return Err(error),
            Err(CreateError::Unsynced(error)) => return Err(self.poisoned(&error)),
        };
        let mut segments = self.shared.segments();
        segments.insert(self.active.header.number, Stored { header: Some(self.active.header), len: self.active.len });
        segments.insert(number, Stored { header: Some(next.header), len: next.len });
        drop(segments);
        self.active = next;
        Ok(())
    }

    /// After a failed sync nobody knows what the disk holds, and a second sync may claim success for pages that the
    /// kernel has dropped. Only reading the log anew tells.
    fn poisoned(&mut self, error: &WalError) -> WalError {
        let source = std::error::Error::source(error).map_or_else(String::new, |source| format!(": {source}"));
        let reason = Arc::clone(self.shared.poison.get_or_init(|| format!("{error}{source}").into()));
        tracing::error!(%reason, "write-ahead log takes nothing until it is opened again");
        // Best effort, so that what was refused does not come back as an entry.
        let _ = self.active.file.set_len(self.active.len);
        WalError::Poisoned { reason }
    }
}
