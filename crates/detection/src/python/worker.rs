//! One worker process: frames to and from it, under the eyes of a watch that interrupts and kills.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::launch::Launched;
use super::page::{Page, Position};
use super::process::Process;
use super::protocol::{BatchHeader, MAX_FRAME_BYTES, kind, write_bytes};

/// How long one call of content may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeLimits {
    pub(crate) soft: Duration,
    pub(crate) hard: Duration,
}

impl TimeLimits {
    /// How often to look; a limit is noticed late by no more than this.
    fn tick(self) -> Duration {
        (self.soft / 20).clamp(Duration::from_millis(5), Duration::from_millis(250))
    }
}

/// The end of a worker, and where it was.
#[derive(Debug)]
pub(crate) struct Death {
    /// Killed by us because a call took too long.
    pub(crate) timed_out: bool,
    pub(crate) position: Position,
    /// How it ended and what it last wrote to its error output.
    pub(crate) cause: String,
}

pub(crate) struct Worker {
    process: Process,
    socket: UnixStream,
    page: Page,
    incoming: BytesMut,
    /// The frame of the last batch, whose memory the next one takes over.
    outgoing: Vec<u8>,
    complaints: Arc<Mutex<VecDeque<u8>>>,
    listener: Option<JoinHandle<()>>,
    limits: TimeLimits,
    watch: Watch,
    is_loading: bool,
}

/// How long a killed process may take to close its socket.
const LAST_FRAMES: Duration = Duration::from_secs(1);
/// How long a worker may load without calling a detection: it compiles a whole repository then, perhaps on a machine that
/// has much else to do.
const LOADING: Duration = Duration::from_secs(180);
/// Memory kept from one batch for the next; most batches are smaller.
const KEPT_FRAME: usize = 4 * 1024 * 1024;
/// Error output kept to explain a death.
const KEPT_COMPLAINTS: usize = 4096;

impl Worker {
    pub(crate) fn adopt(launched: Launched, limits: TimeLimits) -> io::Result<Self> {
        launched.socket.set_nonblocking(true)?;
        let socket = UnixStream::from_std(launched.socket)?;
        let complaints = Arc::new(Mutex::new(VecDeque::new()));
        let stderr = pipe::Receiver::from_owned_fd(launched.stderr.into())?;
        Ok(Self {
            process: launched.process,
            socket,
            page: launched.page,
            incoming: BytesMut::new(),
            outgoing: Vec::new(),
            listener: Some(tokio::spawn(keep_last(stderr, Arc::clone(&complaints)))),
            complaints,
            limits,
            watch: Watch::new(0),
            is_loading: true,
        })
    }

    /// Starts the time of a job's first call.
    pub(crate) fn start_watch(&mut self) {
        self.watch = Watch::new(self.page.position().counter);
    }

    /// Whether the worker starts or loads a program, which takes its time.
    pub(crate) fn set_loading(&mut self, is_loading: bool) {
        self.is_loading = is_loading;
        self.start_watch();
    }

    pub(crate) fn socket(&self) -> &UnixStream {
        &self.socket
    }

    pub(crate) fn process_id(&self) -> Option<libc::pid_t> {
        self.process.id()
    }

    /// Ends the process.
    pub(crate) async fn end(&mut self) {
        self.bury(false).await;
    }

    /// Sends one frame; pieces are joined.
    pub(crate) async fn send(&mut self, kind: u8, pieces: &[&[u8]]) -> Result<(), Death> {
        let len: usize = pieces.iter().map(|piece| piece.len()).sum();
        let mut frame = Vec::with_capacity(len + 5);
        frame.extend_from_slice(&(len as u32 + 1).to_le_bytes());
        frame.push(kind);
        for piece in pieces {
            frame.extend_from_slice(piece);
        }
        match self.socket.write_all(&frame).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.bury(false).await),
        }
    }

    /// Sends a batch of events.
    pub(crate) async fn send_batch(&mut self, header: &BatchHeader, events: &[Bytes]) -> Result<(), Death> {
        let frame = &mut self.outgoing;
        frame.clear();
        frame.extend_from_slice(&[0, 0, 0, 0, kind::TO_BATCH]);
        header.write(frame);
        for event in events {
            write_bytes(event, frame);
        }
        let len = frame.len() as u32 - 4;
        frame[..4].copy_from_slice(&len.to_le_bytes());
        let sent = self.socket.write_all(frame).await;
        // One huge event shall not hold its memory for good.
        frame.shrink_to(KEPT_FRAME);
        match sent {
            Ok(()) => Ok(()),
            Err(_) => Err(self.bury(false).await),
        }
    }

    /// The next frame. Meanwhile a call that takes too long is interrupted, then killed; frames that were written
    /// before a death are still delivered.
    pub(crate) async fn receive(&mut self) -> Result<(u8, Bytes), Death> {
        let mut ticks = tokio::time::interval(self.limits.tick());
        loop {
            match self.take_frame() {
                Ok(Some(frame)) => return Ok(frame),
                Ok(None) => {}
                Err(_) => return Err(self.bury(self.watch.killed).await),
            }
            tokio::select! {
                read = self.socket.read_buf(&mut self.incoming) => match read {
                    Ok(1..) => {}
                    Ok(0) | Err(_) => return Err(self.bury(self.watch.killed).await),
                },
                _ = ticks.tick() => {
                    if self.look() {
                        return Err(self.bury(true).await);
                    }
                }
            }
        }
    }

    fn take_frame(&mut self) -> io::Result<Option<(u8, Bytes)>> {
        let Some(head) = self.incoming.first_chunk::<4>() else { return Ok(None) };
        let len = u32::from_le_bytes(*head) as usize;
        if len == 0 || len > MAX_FRAME_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if self.incoming.len() < len + 4 {
            self.incoming.reserve(len + 4 - self.incoming.len());
            return Ok(None);
        }
        self.incoming.advance(4);
        let kind = self.incoming.get_u8();
        Ok(Some((kind, self.incoming.split_to(len - 1).freeze())))
    }

    /// Interrupts or kills a call that takes too long; true when the process is dead and yet keeps its socket open,
    /// as happens when it has given it away.
    fn look(&mut self) -> bool {
        let position = self.page.position();
        let counter = position.counter;
        let calls_nothing = self.is_loading && !position.busy;
        let hard = if calls_nothing { self.limits.hard.max(LOADING) } else { self.limits.hard };
        let watch = &mut self.watch;
        if counter != watch.seen && !watch.killed {
            *watch = Watch::new(counter);
            return false;
        }
        let waited = watch.since.elapsed();
        if watch.killed {
            return waited >= hard + LAST_FRAMES;
        }
        if waited >= hard {
            watch.killed = true;
            self.process.kill();
        } else if waited >= self.limits.soft && !watch.interrupted && !calls_nothing {
            watch.interrupted = true;
            self.page.mark_interrupt(counter);
            self.process.interrupt();
        }
        false
    }

    /// Ends the process for good and tells how it went.
    pub(crate) async fn bury(&mut self, timed_out: bool) -> Death {
        let position = self.page.position();
        // It may have closed its socket and live on; a process that has ended does not mind.
        self.process.kill();
        let mut cause = self.process.ended().await.map_or_else(|| "ended".to_owned(), |status| status.to_string());
        if let Some(listener) = self.listener.take() {
            // The last words; a grandchild could keep the pipe open, so that this does not wait for long.
            let _ = tokio::time::timeout(Duration::from_millis(200), listener).await;
        }
        let complaints = self.complaints.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let text = String::from_utf8_lossy(complaints.as_slices().0).trim().to_owned();
        if let Some(last) = text.lines().last() {
            cause = format!("{cause}: {last}");
        }
        Death { timed_out, position, cause }
    }
}

/// Since when the same call has been running.
struct Watch {
    seen: u64,
    since: Instant,
    interrupted: bool,
    killed: bool,
}

impl Watch {
    fn new(counter: u64) -> Self {
        Self { seen: counter, since: Instant::now(), interrupted: false, killed: false }
    }
}

async fn keep_last(mut stderr: pipe::Receiver, kept: Arc<Mutex<VecDeque<u8>>>) {
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
        let mut kept = kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        kept.extend(&buffer[..count]);
        let excess = kept.len().saturating_sub(KEPT_COMPLAINTS);
        kept.drain(..excess);
        kept.make_contiguous();
    }
}
