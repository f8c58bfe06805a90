//! Frames over the worker's end of the socket.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, OnceLock};

use crate::protocol::MAX_FRAME_BYTES;

/// The socket to the main process. Detections may start threads, so that writing takes a lock.
pub(crate) struct Link {
    socket: UnixStream,
    turn: Mutex<()>,
}

/// Memory kept from one frame for the next; most batches are smaller.
const KEPT_PAYLOAD: usize = 4 * 1024 * 1024;

static LINK: OnceLock<Link> = OnceLock::new();

impl Link {
    /// Takes over the socket that the main process left at this descriptor.
    #[expect(unsafe_code, reason = "owns an inherited descriptor")]
    pub(crate) fn connect(descriptor: i32) -> &'static Self {
        // SAFETY: the bootstrap calls this once, with the descriptor that was opened for it.
        LINK.get_or_init(|| Self { socket: unsafe { UnixStream::from_raw_fd(descriptor) }, turn: Mutex::new(()) })
    }

    /// The link of this process; there is none outside of workers.
    pub(crate) fn get() -> io::Result<&'static Self> {
        LINK.get().ok_or_else(|| ErrorKind::NotConnected.into())
    }

    /// The socket's number, which a worker that is forked puts its own socket under.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// The next frame; `None` when the main process has closed the socket.
    pub(crate) fn read(&self) -> io::Result<Option<(u8, Vec<u8>)>> {
        let mut payload = Vec::new();
        Ok(self.read_into(&mut payload)?.map(|kind| (kind, payload)))
    }

    /// The kind of the next frame, and its payload in memory that earlier frames may have used: fresh pages for every batch
    /// would cost more than reading it.
    pub(crate) fn read_into(&self, payload: &mut Vec<u8>) -> io::Result<Option<u8>> {
        let mut head = [0; 5];
        match (&self.socket).read_exact(&mut head) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let [a, b, c, d, kind] = head;
        let len = u32::from_le_bytes([a, b, c, d]) as usize;
        if len == 0 || len > MAX_FRAME_BYTES {
            return Err(io::Error::new(ErrorKind::InvalidData, "frame length out of range"));
        }
        if len < KEPT_PAYLOAD {
            payload.shrink_to(KEPT_PAYLOAD);
        }
        payload.resize(len - 1, 0);
        (&self.socket).read_exact(payload)?;
        Ok(Some(kind))
    }

    pub(crate) fn write(&self, kind: u8, payload: &[&[u8]]) -> io::Result<()> {
        let _turn = self.turn.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.write_now(kind, payload)
    }

    /// Writes a request and reads its answer; nobody else writes in between.
    pub(crate) fn ask(&self, kind: u8, payload: &[u8]) -> io::Result<(u8, Vec<u8>)> {
        let _turn = self.turn.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.write_now(kind, &[payload])?;
        self.read()?.ok_or_else(|| io::Error::from(ErrorKind::UnexpectedEof))
    }

    fn write_now(&self, kind: u8, payload: &[&[u8]]) -> io::Result<()> {
        let len: usize = payload.iter().map(|piece| piece.len()).sum();
        let mut frame = Vec::with_capacity(len + 5);
        frame.extend_from_slice(&(len as u32 + 1).to_le_bytes());
        frame.push(kind);
        for piece in payload {
            frame.extend_from_slice(piece);
        }
        (&self.socket).write_all(&frame)
    }
}
