//! A process that has loaded the program and judges nothing: workers are copies of it, ready in milliseconds.
//!
//! It runs content, what modules do when they are imported, and is trusted as little as a worker. Who the new worker is, the
//! kernel says and not the process; a copy that does not come in time, or not at all, makes this process useless: it is
//! replaced, and one that cannot make even its first copy is not asked again by its engine.

use std::io;
use std::os::fd::{AsRawFd as _, RawFd};
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::UnixStream;

use super::launch::{Ends, Launched};
use super::process::Process;
use super::protocol::kind;
use super::worker::{TimeLimits, Worker};

/// What workers are copied from.
pub(crate) struct Zygote(Worker);

/// How long a copy may take; it takes milliseconds where nothing else runs.
const PATIENCE: Duration = Duration::from_secs(10);

impl Zygote {
    /// A process that has loaded the program with the door for forking left open.
    pub(crate) fn new(loaded: Worker) -> Self {
        Self(loaded)
    }

    /// A new worker, or why there is none; then this process is of no use any more.
    pub(crate) async fn fork(&mut self, limits: TimeLimits) -> Result<Worker, String> {
        let error = match tokio::time::timeout(PATIENCE, self.try_fork(limits)).await {
            Ok(Ok(worker)) => return Ok(worker),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("it did not fork within {} s", PATIENCE.as_secs()),
        };
        let end = self.0.bury(false).await.cause;
        // Its last words are the better reason, if it has not lived until now.
        Err(if end.starts_with("signal: 9") { error } else { format!("{error} ({end})") })
    }

    async fn try_fork(&mut self, limits: TimeLimits) -> io::Result<Worker> {
        let died = || io::Error::other("it is gone");
        let (ours, theirs) = Ends::pair()?;
        self.0.send(kind::TO_FORK, &[]).await.map_err(|_| died())?;
        ours.socket.set_nonblocking(true)?;
        pass_credentials(ours.socket.as_raw_fd(), true)?;
        let descriptors = [theirs.socket.as_raw_fd(), ours.page.descriptor(), theirs.stderr.as_raw_fd()];
        let zygote = self.0.socket();
        zygote.async_io(Interest::WRITABLE, || hand_over(zygote.as_raw_fd(), descriptors)).await?;
        drop(theirs);

        let socket = UnixStream::from_std(ours.socket)?;
        let id = socket.async_io(Interest::READABLE, || first_words(socket.as_raw_fd())).await?;
        if !Process::is_child(id) || Some(id) == self.0.process_id() {
            return Err(io::Error::other("somebody else answered"));
        }
        let process = Process::adopt(id);
        let socket = socket.into_std()?;
        pass_credentials(socket.as_raw_fd(), false)?;
        let launched = Launched { process, socket, stderr: ours.stderr, page: ours.page };
        let mut worker = Worker::adopt(launched, limits)?;
        match worker.receive().await {
            Ok((kind::FROM_READY, _)) => {}
            Ok((kind, _)) => return Err(io::Error::other(format!("its copy sent an unexpected frame of kind {kind}"))),
            Err(death) => return Err(io::Error::other(format!("its copy died: {}", death.cause))),
        }
        worker.set_loading(false);
        Ok(worker)
    }
}

/// Whether what is received on a socket says who sent it.
#[expect(unsafe_code, reason = "a system call")]
fn pass_credentials(socket: RawFd, shall: bool) -> io::Result<()> {
    let shall = libc::c_int::from(shall);
    let size = size_of_val(&shall) as libc::socklen_t;
    // SAFETY: the number outlives the call.
    let done =
        unsafe { libc::setsockopt(socket, libc::SOL_SOCKET, libc::SO_PASSCRED, (&raw const shall).cast(), size) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Room for a control message, aligned as it must be.
type Control = [u64; 8];

/// A message of these bytes, with room for what goes beside them.
#[expect(unsafe_code, reason = "all zeros is a valid message header")]
fn message(part: &mut libc::iovec, control: &mut Control) -> libc::msghdr {
    // SAFETY: as said.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(control) as _;
    message
}

/// Sends one byte with descriptors.
#[expect(unsafe_code, reason = "sends descriptors")]
fn hand_over(socket: RawFd, descriptors: [RawFd; 3]) -> io::Result<()> {
    let mut byte = 0_u8;
    let mut part = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    let mut control: Control = Default::default();
    let mut message = message(&mut part, &mut control);
    let size = size_of_val(&descriptors) as u32;
    // SAFETY: the header points to buffers that outlive the call; the control message fits its own with room to spare.
    let sent = unsafe {
        message.msg_controllen = libc::CMSG_SPACE(size) as _;
        let head = libc::CMSG_FIRSTHDR(&raw const message);
        (*head).cmsg_level = libc::SOL_SOCKET;
        (*head).cmsg_type = libc::SCM_RIGHTS;
        (*head).cmsg_len = libc::CMSG_LEN(size) as _;
        libc::CMSG_DATA(head).cast::<[RawFd; 3]>().write_unaligned(descriptors);
        libc::sendmsg(socket, &raw const message, libc::MSG_NOSIGNAL)
    };
    if sent == 1 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Reads the frame that a new worker begins with; returns who has sent it.
#[expect(unsafe_code, reason = "receives credentials")]
fn first_words(socket: RawFd) -> io::Result<libc::pid_t> {
    const WORDS: [u8; 5] = [1, 0, 0, 0, kind::FROM_FORKED];
    let mut words = [0_u8; WORDS.len()];
    let mut part = libc::iovec { iov_base: words.as_mut_ptr().cast(), iov_len: words.len() };
    let mut control: Control = Default::default();
    let mut message = message(&mut part, &mut control);
    // SAFETY: the header points to buffers that outlive the call; the kernel says how much of them it has filled.
    let (received, sender) = unsafe {
        let received = libc::recvmsg(socket, &raw mut message, libc::MSG_CMSG_CLOEXEC);
        let head = libc::CMSG_FIRSTHDR(&raw const message);
        let wanted = libc::CMSG_LEN(size_of::<libc::ucred>() as u32) as usize;
        let is_sender =
            !head.is_null() && (*head).cmsg_type == libc::SCM_CREDENTIALS && (*head).cmsg_len as usize == wanted;
        (received, is_sender.then(|| libc::CMSG_DATA(head).cast::<libc::ucred>().read_unaligned().pid))
    };
    match (received, sender) {
        (..0, _) => Err(io::Error::last_os_error()),
        (0, _) => Err(io::Error::other("there is no copy")),
        (_, Some(sender)) if words == WORDS => Ok(sender),
        _ => Err(io::Error::other("its copy does not say that it is one")),
    }
}
