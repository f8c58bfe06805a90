//! The walls around content: what a worker gives up before it runs the first line of a detection.
//!
//! The main process has limited the process already (memory, core, file size) before its first instruction. Here it gives
//! up the rest, layer by layer; a layer that the system does not offer never keeps the others from being set up, and
//! each says how it went: the main process decides whether that will do. Nothing here can be undone by the process.
//!
//! All layers hold for the calling thread and what it starts, which is why a process that has threads already is told
//! apart. They hold for forked processes as well; those give up, in addition, what forking them needed.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError,
    RulesetStatus, Scope, path_beneath_rules,
};
use pyo3::prelude::*;
use seccompiler::{BpfProgram, Error, SeccompAction, SeccompFilter, SeccompRule, TargetArch, apply_filter};

use crate::syscalls;

/// Descriptors a worker may have open; importing needs a few.
const MAX_DESCRIPTORS: u64 = 256;

/// How well a layer stands, and what is wrong if something is.
enum Layer {
    Full,
    Partial(String),
    Missing(String),
}

/// How a process behind the walls may still fork.
struct Door {
    /// What the calls that forking needs must show.
    pass: u64,
    /// Closes the door behind a process that was forked.
    lock: BpfProgram,
}

static DOOR: OnceLock<Door> = OnceLock::new();

/// Builds the walls; `readable` are the files and folders that can be read from now on; `forks` leaves a door for
/// [`crate::fork`]. Returns each layer's name, state (`full`, `partial`, `missing`) and detail.
#[pyfunction]
pub(crate) fn confine(readable: Vec<PathBuf>, forks: bool) -> Vec<(String, String, String)> {
    let threads = threads();
    let forks = forks && threads == 1;
    let missing = |error: &dyn std::fmt::Display| Layer::Missing(error.to_string());
    let layers = [
        ("limits", limits().map_or_else(|error| missing(&error), |()| Layer::Full)),
        ("network", own_network().map_or_else(|error| missing(&error), |()| Layer::Full)),
        ("privileges", privileges().map_or_else(|error| missing(&error), |()| Layer::Full)),
        ("files", files(readable).unwrap_or_else(|error| missing(&error))),
        // Last: it forbids what the others need.
        ("system calls", system_calls(forks).map_or_else(|error| missing(&error), |()| Layer::Full)),
    ];
    let said = |(name, layer): (&str, Layer)| {
        let layer = match layer {
            Layer::Full | Layer::Partial(_) if threads > 1 => {
                Layer::Missing(format!("holds for one of the worker's {threads} threads only"))
            }
            layer => layer,
        };
        let (state, detail) = match layer {
            Layer::Full => ("full", String::new()),
            Layer::Partial(detail) => ("partial", detail),
            Layer::Missing(detail) => ("missing", detail),
        };
        (name.to_owned(), state.to_owned(), detail)
    };
    layers.map(said).into()
}

/// How many threads the process has; one where the system does not say.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count)
}

/// The pass to fork with. A process with threads must not be forked: behind the walls none can have been started, and
/// without walls the system tells.
pub(crate) fn pass_to_fork() -> io::Result<u64> {
    if let Some(door) = DOOR.get() {
        return Ok(door.pass);
    }
    match std::fs::read_dir("/proc/self/task").map(Iterator::count) {
        Ok(1) => Ok(0),
        Ok(threads) => Err(io::Error::other(format!("it has {threads} threads"))),
        Err(error) => Err(io::Error::other(format!("it cannot see whether it has threads: {error}"))),
    }
}

/// Forbids a process that was forked to fork in its turn.
pub(crate) fn close_door() -> io::Result<()> {
    let Some(Door { pass, lock }) = DOOR.get() else { return Ok(()) };
    let program = libc::sock_fprog { len: lock.len() as u16, filter: lock.as_ptr().cast_mut().cast() };
    let arguments = [libc::SECCOMP_SET_MODE_FILTER as usize, 0, (&raw const program) as usize, 0, 0];
    syscalls::passed(libc::SYS_seccomp, arguments, *pass).map(drop)
}

/// No core files, no writing to files, few descriptors. Set again here, so that they hold however the worker was started.
#[expect(unsafe_code, reason = "system calls")]
fn limits() -> io::Result<()> {
    for (resource, most) in [(libc::RLIMIT_CORE, 0), (libc::RLIMIT_FSIZE, 0), (libc::RLIMIT_NOFILE, MAX_DESCRIPTORS)] {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the structure outlives the calls.
        done(unsafe { libc::getrlimit(resource, &raw mut limit) })?;
        limit.rlim_max = limit.rlim_max.min(most);
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: as above.
        done(unsafe { libc::setrlimit(resource, &raw const limit) })?;
    }
    Ok(())
}

/// A network of its own, with nothing in it. Whoever may not make one makes a user namespace first, where he may.
#[expect(unsafe_code, reason = "system calls")]
fn own_network() -> io::Result<()> {
    // SAFETY: plain numbers.
    let with_user = done(unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET) });
    // SAFETY: plain numbers.
    with_user.or_else(|error| done(unsafe { libc::unshare(libc::CLONE_NEWNET) }).map_err(|_| error))
}

/// None gained, none kept; and the process still dies with its parent, which a change of privileges can undo.
#[expect(unsafe_code, reason = "system calls")]
fn privileges() -> io::Result<()> {
    /// The kernel's `__user_cap_header_struct`.
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    let header = Header { version: 0x2008_0522, pid: 0 };
    // Effective, permitted and inheritable, in two halves each.
    let none = [0_u32; 6];
    // SAFETY: both structures are as the kernel wants them and outlive the call.
    done(unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) } as i32)?;
    // SAFETY: plain numbers.
    done(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
    // SAFETY: plain numbers.
    done(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) })
}

/// Reading in `readable`, nothing else: no writing, no executing, no signals to others, no network.
fn files(readable: Vec<PathBuf>) -> Result<Layer, RulesetError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    // What a kernel does not know is left out; every kernel with Landlock knows how to refuse reading and writing.
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V5))?
        .handle_access(AccessNet::from_all(ABI::V4))?
        .scope(Scope::from_all(ABI::V6))?
        .create()?
        .add_rules(path_beneath_rules(readable, read))?
        .restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Layer::Full,
        RulesetStatus::PartiallyEnforced => {
            Layer::Partial("the kernel's Landlock is older than version 6: files are protected".to_owned())
        }
        RulesetStatus::NotEnforced => Layer::Missing("this kernel has no Landlock, or it is off".to_owned()),
    })
}

fn system_calls(forks: bool) -> Result<(), Error> {
    let door = if forks { Some(Door { pass: chance(), lock: filter(syscalls::forking())? }) } else { None };
    let program = filter(syscalls::denied(door.as_ref().map(|door| door.pass))?)?;
    #[cfg(target_arch = "x86_64")]
    apply_filter(&other_numbers())?;
    apply_filter(&program)?;
    if let Some(door) = door {
        DOOR.get_or_init(|| door);
    }
    Ok(())
}

fn filter(denied: BTreeMap<i64, Vec<SeccompRule>>) -> Result<BpfProgram, Error> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    Ok(SeccompFilter::new(denied, SeccompAction::Allow, refuse, architecture)?.try_into()?)
}

/// A number that nobody guesses: the standard library seeds its hashers from the system.
fn chance() -> u64 {
    RandomState::new().hash_one(0_u64)
}

/// Refuses the second set of numbers (x32) that an `x86_64` kernel may accept for the same calls.
#[cfg(target_arch = "x86_64")]
fn other_numbers() -> BpfProgram {
    const FIRST: u32 = 0x4000_0000;
    let instruction = |code: u32, jt, jf, k| seccompiler::sock_filter { code: code as u16, jt, jf, k };
    vec![
        // The call's number is the first word of what a filter sees.
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        instruction(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 1, FIRST),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]
}

fn done(result: i32) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
