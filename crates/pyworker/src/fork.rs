//! Making workers of a process that has loaded a program: each is a copy of it, ready at once.
//!
//! The process that forks judges nothing, so that its copies are as fresh as if each had loaded the program. It stands behind
//! the same walls, as it runs what modules do when they are imported; the few calls that forking needs are let through for
//! this file alone (see `syscalls`), and a copy gives them up before any Python runs in it.
//!
//! A copy is a child of the main process, not of the one it was made from: the main process sees how it ends, and it lives
//! on when that one is replaced.

use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

use crate::frames::Link;
use crate::progress::Progress;
use crate::protocol::kind;
use crate::sandbox::{close_door, pass_to_fork};
use crate::syscalls::passed;

/// Whether this process was just forked by [`fork`].
static FORKED: AtomicBool = AtomicBool::new(false);

/// For the host: whether this is a worker that was made on purpose, and not a copy that content has made of its own. Said
/// once.
#[pyfunction]
pub(crate) fn forked() -> bool {
    FORKED.swap(false, Ordering::Relaxed)
}

/// Makes a copy of this process and returns in both.
#[expect(unsafe_code, reason = "forks, with the interpreter prepared for it")]
pub(crate) fn fork(_attached: Python<'_>, link: &Link) -> PyResult<()> {
    let pass = pass_to_fork().map_err(|error| PyOSError::new_err(format!("cannot fork: {error}")))?;
    let ends = receive_ends(link, pass)?;
    let flags = (libc::SIGCHLD | libc::CLONE_PARENT) as usize;
    // SAFETY: the interpreter is attached, and its three calls frame the fork as they must.
    unsafe { pyo3::ffi::PyOS_BeforeFork() };
    let forked = passed(libc::SYS_clone, [flags, 0, 0, 0, 0], pass);
    match forked {
        Ok(0) => {
            // Before Python gets to run: what content has registered for this moment finds the door closed.
            let became = become_worker(link, &ends, pass);
            FORKED.store(true, Ordering::Relaxed);
            // SAFETY: as above.
            unsafe { pyo3::ffi::PyOS_AfterFork_Child() };
            drop(ends);
            became?;
            Ok(link.write(kind::FROM_READY, &[])?)
        }
        Ok(_) => {
            // SAFETY: as above.
            unsafe { pyo3::ffi::PyOS_AfterFork_Parent() };
            Ok(())
        }
        Err(error) => {
            // SAFETY: as above.
            unsafe { pyo3::ffi::PyOS_AfterFork_Parent() };
            Err(PyOSError::new_err(format!("cannot fork: {error}")))
        }
    }
}

/// A worker's ends of what connects it with the main process.
struct Ends {
    socket: OwnedFd,
    page: OwnedFd,
    errors: OwnedFd,
}

/// The byte that follows the frame, and the descriptors that come with it.
#[expect(unsafe_code, reason = "receives descriptors")]
fn receive_ends(link: &Link, pass: u64) -> PyResult<Ends> {
    const COUNT: usize = 3;
    // Aligned as control messages are.
    let mut control = [0_u64; 8];
    let mut byte = 0_u8;
    let mut part = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    // SAFETY: all zeros is a valid message header.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    let (socket, address) = (link.descriptor() as usize, (&raw mut message) as usize);
    let arguments = [socket, address, libc::MSG_CMSG_CLOEXEC as usize, 0, 0];
    let received = passed(libc::SYS_recvmsg, arguments, pass)?;
    // SAFETY: the kernel has filled the header and the buffers that it points to, which are still there.
    let ends = unsafe {
        let head = libc::CMSG_FIRSTHDR(&raw const message);
        let wanted = libc::CMSG_LEN((COUNT * size_of::<i32>()) as u32) as usize;
        if received == 1
            && !head.is_null()
            && (*head).cmsg_type == libc::SCM_RIGHTS
            && (*head).cmsg_len as usize == wanted
        {
            let descriptors = libc::CMSG_DATA(head).cast::<[i32; COUNT]>().read_unaligned();
            Some(descriptors.map(|descriptor| OwnedFd::from_raw_fd(descriptor)))
        } else {
            None
        }
    };
    let [socket, page, errors] =
        ends.ok_or_else(|| PyOSError::new_err("cannot fork: the new worker's ends are missing"))?;
    Ok(Ends { socket, page, errors })
}

/// Takes the places that the process this was made from had: the socket, the page, the error output. Leads a group of its
/// own, dies with the main process, and says so.
#[expect(unsafe_code, reason = "replaces descriptors")]
fn become_worker(link: &Link, ends: &Ends, pass: u64) -> io::Result<()> {
    passed(libc::SYS_setpgid, [0; 5], pass)?;
    passed(libc::SYS_prctl, [libc::PR_SET_PDEATHSIG as usize, libc::SIGKILL as usize, 0, 0, 0], pass)?;
    let progress = Progress::get().ok_or(io::ErrorKind::NotConnected)?;
    progress.replace(&ends.page)?;
    // SAFETY: open descriptors; the replaced ones stay with their owners, who go on with what is there now.
    let replaced = unsafe {
        libc::dup3(ends.socket.as_raw_fd(), link.descriptor(), libc::O_CLOEXEC) >= 0
            && libc::dup2(ends.errors.as_raw_fd(), libc::STDERR_FILENO) >= 0
    };
    if !replaced {
        return Err(io::Error::last_os_error());
    }
    close_door()?;
    link.write(kind::FROM_FORKED, &[])
}
