//! A worker's process, however it was made: signalled, ended, reaped.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

/// A child of ours; killed and reaped when it is dropped.
pub(crate) struct Process(Option<libc::pid_t>);

impl Process {
    /// Takes over a child, which nobody else waits for.
    pub(crate) fn adopt(id: libc::pid_t) -> Self {
        Self(Some(id))
    }

    /// Whether this is the number of a child of ours, ended or not.
    #[expect(unsafe_code, reason = "a system call")]
    pub(crate) fn is_child(id: libc::pid_t) -> bool {
        // SAFETY: all zeros is valid, the structure outlives the call, and nothing is reaped.
        unsafe {
            let mut seen: libc::siginfo_t = std::mem::zeroed();
            let only_look = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
            id > 0 && libc::waitid(libc::P_PID, id as libc::id_t, &raw mut seen, only_look) == 0
        }
    }

    pub(crate) fn id(&self) -> Option<libc::pid_t> {
        self.0
    }

    pub(crate) fn interrupt(&self) {
        self.signal(|id| id, libc::SIGALRM);
    }

    /// With everything it has started: a worker leads a process group, unless content has made it leave.
    pub(crate) fn kill(&self) {
        self.signal(|id| -id, libc::SIGKILL);
        self.signal(|id| id, libc::SIGKILL);
    }

    /// Waits for its end, once.
    pub(crate) async fn ended(&mut self) -> Option<ExitStatus> {
        let id = self.0.take()?;
        tokio::task::spawn_blocking(move || wait(id)).await.ok()?.ok()
    }

    #[expect(unsafe_code, reason = "the standard library sends SIGKILL only, and to one process")]
    fn signal(&self, target: impl Fn(libc::pid_t) -> libc::pid_t, signal: i32) {
        let Some(id) = self.0 else { return };
        // SAFETY: the child is not reaped as long as it is held here, so that the number is still its own.
        unsafe { libc::kill(target(id), signal) };
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if let Some(id) = self.0.take() {
            let _ = wait(id);
        }
    }
}

#[expect(unsafe_code, reason = "a system call")]
fn wait(id: libc::pid_t) -> io::Result<ExitStatus> {
    loop {
        let mut status = 0;
        // SAFETY: the number outlives the call.
        if unsafe { libc::waitpid(id, &raw mut status, 0) } == id {
            return Ok(ExitStatus::from_raw(status));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
