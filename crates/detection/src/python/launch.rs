//! Starting worker processes, limited before they run their first instruction.
//!
//! All start from one thread that lives as long as the engine: the kernel kills a worker when the *thread* that started
//! it ends, and the threads of an asynchronous runtime come and go.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;

use tokio::sync::oneshot;

use super::page::Page;
use super::process::Process;
use super::runtime::BOOTSTRAP;

/// What all workers of an engine have in common.
#[derive(Clone, Debug)]
pub(crate) struct LaunchConfig {
    pub(crate) python: PathBuf,
    pub(crate) extension: PathBuf,
    pub(crate) memory_bytes: u64,
    /// Workers yield to everything else on the machine.
    pub(crate) yields: bool,
}

/// A started process and our ends of what connects us.
pub(crate) struct Launched {
    pub(crate) process: Process,
    pub(crate) socket: UnixStream,
    pub(crate) stderr: PipeReader,
    pub(crate) page: Page,
}

/// Our ends of what connects us with a process that is to be.
pub(crate) struct Ends {
    pub(crate) socket: UnixStream,
    pub(crate) stderr: PipeReader,
    pub(crate) page: Page,
}

/// That process's ends; the page is the same.
pub(crate) struct TheirEnds {
    pub(crate) socket: UnixStream,
    pub(crate) stderr: PipeWriter,
}

impl Ends {
    pub(crate) fn pair() -> io::Result<(Self, TheirEnds)> {
        let (socket, their_socket) = UnixStream::pair()?;
        let (stderr, their_stderr) = io::pipe()?;
        let theirs = TheirEnds { socket: their_socket, stderr: their_stderr };
        Ok((Self { socket, stderr, page: Page::new()? }, theirs))
    }
}

/// The thread that starts workers.
#[derive(Clone)]
pub(crate) struct Launcher {
    requests: mpsc::Sender<oneshot::Sender<io::Result<Launched>>>,
}

impl Launcher {
    pub(crate) fn start(config: LaunchConfig) -> io::Result<Self> {
        let (requests, incoming) = mpsc::channel::<oneshot::Sender<io::Result<Launched>>>();
        std::thread::Builder::new().name("worker-launcher".into()).spawn(move || {
            for reply in incoming {
                // Nobody waiting any more: the process is dropped, and killed by the closed socket.
                let _ = reply.send(launch(&config));
            }
        })?;
        Ok(Self { requests })
    }

    pub(crate) async fn launch(&self) -> io::Result<Launched> {
        let (reply, launched) = oneshot::channel();
        let gone = |_| io::Error::other("the launcher's thread has ended");
        self.requests.send(reply).map_err(|_| io::Error::other("the launcher's thread has ended"))?;
        launched.await.map_err(gone)?
    }
}

#[expect(unsafe_code, reason = "limits the process between fork and exec")]
fn launch(config: &LaunchConfig) -> io::Result<Launched> {
    let (ours, theirs) = Ends::pair()?;
    let (socket_fd, page_fd) = (theirs.socket.as_raw_fd(), ours.page.descriptor());
    let (memory_bytes, yields) = (config.memory_bytes, config.yields);
    let mut command = Command::new(&config.python);
    command
        .args(["-s", "-S", "-B", "-X", "utf8", "-X", "frozen_modules=on", "-c", BOOTSTRAP])
        .arg(&config.extension)
        .args([socket_fd.to_string(), page_fd.to_string()])
        .env_clear()
        .env("LANG", "C.UTF-8")
        .env("PATH", "/usr/bin:/bin")
        .env("TZ", "UTC")
        // Texts made of sets come out alike in every worker and in every replay.
        .env("PYTHONHASHSEED", "0")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(theirs.stderr)
        .process_group(0);
    // SAFETY: only system calls on values copied into the closure, no allocation, no lock.
    unsafe {
        command.pre_exec(move || {
            if yields {
                give_way(0)?;
            }
            confine(socket_fd, page_fd, memory_bytes)
        });
    }
    let child = command.spawn()?;
    let process = Process::adopt(child.id() as libc::pid_t);
    Ok(Launched { process, socket: ours.socket, stderr: ours.stderr, page: ours.page })
}

/// Has the calling process, all of its threads and what they start, yield to everything else on the machine, for good.
pub fn yield_to_others() -> io::Result<()> {
    for thread in std::fs::read_dir("/proc/self/task")? {
        if let Ok(number) = thread?.file_name().to_string_lossy().parse() {
            give_way(number)?;
        }
    }
    Ok(())
}

/// What others leave of the processor and the disk: for one thread by its number, or the calling one. Being nice alone would
/// do for the share, but not for delay: a processor that only such threads use counts as free for whoever wakes up.
#[expect(unsafe_code, reason = "system calls")]
fn give_way(thread: libc::pid_t) -> io::Result<()> {
    let none = libc::sched_param { sched_priority: 0 };
    // SAFETY: plain numbers, and a structure that outlives the call.
    let done = unsafe {
        // Not every system has priorities for disks.
        libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, thread, IOPRIO_IDLE);
        libc::sched_setscheduler(thread, libc::SCHED_IDLE, &raw const none) == 0
            && libc::setpriority(libc::PRIO_PROCESS, thread as libc::id_t, 19) == 0
    };
    if done { Ok(()) } else { Err(io::Error::last_os_error()) }
}

const IOPRIO_WHO_PROCESS: i32 = 1;
/// The class that is served when nobody else asks.
const IOPRIO_IDLE: i32 = 3 << 13;

/// Runs in the child: dies with its parent, gains no privileges, inherits two descriptors, and stays within its limits.
#[expect(unsafe_code, reason = "system calls between fork and exec")]
fn confine(socket_fd: i32, page_fd: i32, memory_bytes: u64) -> io::Result<()> {
    let limit = |resource, value: u64| {
        let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
        // SAFETY: the structure outlives the call.
        if unsafe { libc::setrlimit(resource, &raw const limit) } == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    };
    limit(libc::RLIMIT_AS, memory_bytes)?;
    limit(libc::RLIMIT_CORE, 0)?;
    limit(libc::RLIMIT_FSIZE, 0)?;
    // SAFETY: system calls with plain numbers.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        // Descriptors of ours are closed on exec anyway; this is for those of libraries. Old kernels lack the call.
        libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
        for descriptor in [socket_fd, page_fd] {
            if libc::fcntl(descriptor, libc::F_SETFD, 0) < 0 {
                return Err(io::Error::last_os_error());
            }
        }
    }
    Ok(())
}
