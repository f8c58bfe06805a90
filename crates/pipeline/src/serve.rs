//! The walk while serving: from the log and from watched files, for ever.
//!
//! A feeder reads the log behind what is committed and cuts batches: when one is full, or when its first record has waited
//! long enough. Whatever stops the walk (a full disk, a table that somebody holds), it is put up again from the store's
//! positions, exactly as after a crash; so there is only one way of recovering, and it is used often.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uncia_model::{Origin, SourceId};
use uncia_processing::Splitter;
use uncia_sources::WatchSourceConfig;
use uncia_sources::snowflake::AccountPuller;
use uncia_wal::{Position, Reader, Wal, WalError};

use crate::batch::{BatchLimits, Batcher, RawBatch};
use crate::input::Input;
use crate::intake::{self, KnownSource};
use crate::summary::Summary;
use crate::walk::{Walk, WalkError};
use crate::{pull, watch};

/// First pause after a failure of the walk; doubled up to [`MAX_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// How long the feeder sleeps at most when nothing comes; it is woken by new entries, inputs and the stop.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What serving needs besides the walk.
pub struct Serving {
    pub walk: Arc<Walk>,
    pub wal: Arc<Wal>,
    pub sources: HashMap<SourceId, KnownSource>,
    pub limits: BatchLimits,
    pub splitter: Splitter,
    /// The longest that a record waits for its batch to fill.
    pub max_wait: Duration,
    pub watched: Vec<WatchSourceConfig>,
    pub accounts: Vec<Arc<AccountPuller>>,
}

impl Serving {
    /// Serves until `stop`, then commits what was accepted. `committed` hears of every batch.
    pub async fn run(
        self: Arc<Self>,
        stop: CancellationToken,
        committed: impl Fn(&Summary) + Send + Sync,
    ) -> Result<(), WalkError> {
        let mut pause = FIRST_PAUSE;
        loop {
            let progressed = AtomicBool::new(false);
            let ended = self
                .once(&stop, |summary| {
                    progressed.store(true, Ordering::Relaxed);
                    committed(summary);
                })
                .await;
            let Err(error) = ended else { return Ok(()) };
            if progressed.load(Ordering::Relaxed) {
                pause = FIRST_PAUSE;
            }
            if stop.is_cancelled() {
                return Err(error);
            }
            tracing::error!("the walk stopped: {}; going on in {pause:?}", chain(&error));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => {}
            }
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    /// One life of the walk, from the store's positions to a failure or the stop.
    async fn once(
        self: &Arc<Self>,
        stop: &CancellationToken,
        committed: impl Fn(&Summary) + Send + Sync,
    ) -> Result<(), WalkError> {
        let consumed = self.walk.store().wal_position().await?;
        let position = consumed.map_or(Position::START, |(segment, offset)| Position::new(segment, offset));
        let (watched, inputs) = mpsc::channel(2);
        // Watchers remember what they handed on, so each life has its own, which begin at the store's marks.
        let life = stop.child_token();
        let mut watchers = watch::start(self, &watched, &life);
        watchers.extend(pull::start(self, &watched, &life));
        drop(watched);
        let (sender, receiver) = mpsc::channel::<RawBatch>(1);
        let feeding = {
            let (serving, stop, handle) = (self.clone(), stop.clone(), Handle::current());
            tokio::task::spawn_blocking(move || {
                Feeder { serving: &serving, sender, handle, first: None, skip_first: true }
                    .feed(position, inputs, &stop);
            })
        };
        let walked = self
            .walk
            .run(receiver, |summary, raw| {
                if let Some(position) = raw.wal
                    && let Err(error) = self.wal.release(position)
                {
                    tracing::warn!("cannot remove consumed segments of the log: {error}");
                }
                committed(summary);
            })
            .await;
        life.cancel();
        for watcher in watchers {
            watcher.await.map_err(|_| WalkError::Thread)?;
        }
        feeding.await.map_err(|_| WalkError::Thread)?;
        walked
    }
}

/// Reads the log and other inputs and cuts batches, on a thread of its own.
struct Feeder<'a> {
    serving: &'a Arc<Serving>,
    sender: mpsc::Sender<RawBatch>,
    handle: Handle,
    /// When the first record of the batch came.
    first: Option<Instant>,
    /// Only the first entry after a start can be partly committed.
    skip_first: bool,
}

impl Feeder<'_> {
    fn feed(&mut self, position: Position, mut inputs: mpsc::Receiver<Input>, stop: &CancellationToken) {
        let mut batcher = Batcher::new(self.serving.limits).splitting(self.serving.splitter.clone());
        let mut reader = self.serving.wal.read_from(position);
        loop {
            let stopping = stop.is_cancelled();
            let more = match self.next_input(&mut reader) {
                Some(input) => Some(input),
                None => inputs.try_recv().ok(),
            };
            if let Some(input) = more {
                self.first.get_or_insert_with(Instant::now);
                if !self.add(&mut batcher, input) {
                    return;
                }
            } else if stopping {
                if let Some(batch) = batcher.flush() {
                    // Nobody listens only if the walk has failed; then the log still has it.
                    let _ = self.sender.blocking_send(batch);
                }
                return;
            }
            let waited = self.first.map(|first| first.elapsed());
            if waited.is_some_and(|waited| waited >= self.serving.max_wait)
                && let Some(batch) = self.seal(&mut batcher)
                && self.sender.blocking_send(batch).is_err()
            {
                return;
            }
            if self.serving.wal.synced_end() <= reader.position() && inputs.is_empty() && !stopping {
                let left = self.first.map(|first| self.serving.max_wait.saturating_sub(first.elapsed()));
                self.wait(reader.position(), &mut inputs, left.unwrap_or(LOOK_AGAIN), stop, &mut batcher);
            }
            if self.sender.is_closed() {
                return;
            }
        }
    }

    fn seal(&mut self, batcher: &mut Batcher) -> Option<RawBatch> {
        self.first = None;
        batcher.flush()
    }

    /// The log's next entry as an input. Damage is said and passed over: the entries behind it are still good.
    fn next_input(&mut self, reader: &mut Reader) -> Option<Input> {
        loop {
            let entry = match reader.next()? {
                Ok(entry) => entry,
                Err(WalError::Damaged(damage)) => {
                    tracing::error!("the write-ahead log is damaged: {damage}");
                    continue;
                }
                Err(error) => {
                    tracing::error!("cannot read the write-ahead log: {error}");
                    return None;
                }
            };
            match intake::decode(entry.position, entry.next, entry.bytes, &self.serving.sources) {
                Ok(mut input) => {
                    if std::mem::take(&mut self.skip_first) {
                        input.skip = self.records_done(&input.payload.origin);
                    }
                    return Some(input);
                }
                Err(error) => tracing::error!("{error}"),
            }
        }
    }

    /// Records of the origin that are committed; asked until the store answers, as a guess would lose or double them.
    fn records_done(&self, origin: &Origin) -> u64 {
        let store = self.serving.walk.store();
        loop {
            match self.handle.block_on(store.progress(&origin.source, &origin.key)) {
                Ok(progress) => return progress.map_or(0, |progress| progress.records),
                Err(error) => tracing::error!("cannot read the progress of {}: {error}", origin.key),
            }
            self.handle.block_on(tokio::time::sleep(LOOK_AGAIN));
        }
    }

    /// Sleeps until something comes or the time is over; an input that comes is added at once.
    fn wait(
        &mut self,
        position: Position,
        inputs: &mut mpsc::Receiver<Input>,
        time: Duration,
        stop: &CancellationToken,
        batcher: &mut Batcher,
    ) {
        let wal = &self.serving.wal;
        let came = self.handle.block_on(async {
            tokio::select! {
                _ = wal.wait_beyond(position) => None,
                input = inputs.recv() => match input {
                    Some(input) => Some(input),
                    // No other inputs: only the log and time can end the wait.
                    None => {
                        let _ = tokio::time::timeout(time, wal.wait_beyond(position)).await;
                        None
                    }
                },
                () = tokio::time::sleep(time) => None,
                () = stop.cancelled() => None,
                () = self.sender.closed() => None,
            }
        });
        if let Some(input) = came {
            self.first.get_or_insert_with(Instant::now);
            self.add(batcher, input);
        }
    }

    /// False if nobody listens any more. A file that cannot be read to its end is told; as its mark does not move, it is
    /// read again after the next start.
    fn add(&self, batcher: &mut Batcher, input: Input) -> bool {
        let place = input.payload.origin.place.clone();
        match batcher.add(input, &mut |batch| self.sender.blocking_send(batch).is_ok()) {
            Ok(listened) => listened,
            Err(error) => {
                tracing::error!("{}: cannot be read to its end: {error}", place.as_deref().unwrap_or("an input"));
                true
            }
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}
