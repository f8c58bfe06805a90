//! The system calls that content may not make.
//!
//! What a worker needs (memory, time, reading what is open or may be opened, its own signals) is far from what is here:
//! reaching other processes, hosts and files. Paths are Landlock's business; what Landlock does not see (modes, owners,
//! attributes), and where the kernel has none, opening for writing, is refused here as well.

use std::collections::BTreeMap;
use std::io;

use libc::c_long;
use seccompiler::{Error, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};

/// Refused whatever the arguments are.
const ALWAYS: &[&[c_long]] = &[PROCESSES, NETWORK, FILES, SHARED, KERNEL, LEGACY, UNNAMED];

/// Making processes, looking into them, leaving the group that the main process kills, shedding the worker's limits.
/// Threads go with `clone`: content runs in one, and none may outlive its call.
const PROCESSES: &[c_long] = &[
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_kcmp,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_setsid,
    libc::SYS_setpgid,
    libc::SYS_setpriority,
    libc::SYS_ioprio_set,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_setattr,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setscheduler,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    libc::SYS_setrlimit,
    libc::SYS_prctl,
    libc::SYS_seccomp,
    libc::SYS_personality,
    libc::SYS_capset,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
];

/// The link to the main process is open already and needs none of these.
const NETWORK: &[c_long] = &[
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
];

/// Changing files; opening for writing is in [`denied`].
const FILES: &[c_long] = &[
    libc::SYS_openat2,
    libc::SYS_open_by_handle_at,
    libc::SYS_truncate,
    libc::SYS_fallocate,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_mkdirat,
    libc::SYS_mknodat,
    libc::SYS_symlinkat,
    libc::SYS_linkat,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
];

/// Memory and queues that outlive the worker, or lie outside of its limit.
const SHARED: &[c_long] = &[
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
];

/// The system itself, and those parts of the kernel that have often been the way out of a sandbox.
const KERNEL: &[c_long] = &[
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_chroot,
    libc::SYS_pivot_root,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_fanotify_init,
    libc::SYS_inotify_init1,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
];

/// Older names of the above, which newer architectures never had.
#[cfg(target_arch = "x86_64")]
const LEGACY: &[c_long] = &[
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_creat,
    libc::SYS_unlink,
    libc::SYS_rmdir,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_mkdir,
    libc::SYS_mknod,
    libc::SYS_symlink,
    libc::SYS_link,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_inotify_init,
    libc::SYS_kexec_file_load,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
];
#[cfg(not(target_arch = "x86_64"))]
const LEGACY: &[c_long] = &[libc::SYS_renameat];

/// Calls that `libc` does not name; recent ones have the same number on every architecture.
const UNNAMED: &[c_long] = &[
    452, // fchmodat2
    463, // setxattrat
    466, // removexattrat
    467, // open_tree_attr
    469, // file_setattr
];

/// What a process that is forked needs to become a worker, and the one that forks it. None of them has a sixth argument, so
/// that [`passed`] can tell them from the same calls by content.
const FORKING: &[c_long] = &[libc::SYS_clone, libc::SYS_setpgid, libc::SYS_prctl, libc::SYS_seccomp, libc::SYS_recvmsg];

/// What is refused, with the conditions under which it is; none: always. With a pass, [`FORKING`] is let through for
/// those that show it.
pub(crate) fn denied(pass: Option<u64>) -> Result<BTreeMap<i64, Vec<SeccompRule>>, Error> {
    let always = ALWAYS.iter().flat_map(|calls| calls.iter());
    let mut denied: BTreeMap<i64, Vec<SeccompRule>> = always.map(|call| (*call, Vec::new())).collect();
    if let Some(pass) = pass {
        for call in FORKING {
            denied.insert(*call, vec![when(PASS, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, pass)?]);
        }
    }
    // A worker may signal its group, in which it is alone. It cannot name itself: this holds for processes to come.
    denied.insert(libc::SYS_kill, vec![when(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, 0)?]);
    denied.insert(libc::SYS_tgkill, Vec::new());
    // Limits may be read.
    denied.insert(libc::SYS_prlimit64, vec![when(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0)?]);
    denied.insert(libc::SYS_openat, writing(2)?);
    #[cfg(target_arch = "x86_64")]
    denied.insert(libc::SYS_open, writing(1)?);
    // The kernel would send signals on content's behalf.
    let owners = [libc::F_SETOWN, F_SETSIG, F_SETOWN_EX];
    let owner = |command: i32| when(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, command as u64);
    denied.insert(libc::SYS_fcntl, owners.into_iter().map(owner).collect::<Result<_, _>>()?);
    Ok(denied)
}

/// What is refused, in addition, to a worker that was forked.
pub(crate) fn forking() -> BTreeMap<i64, Vec<SeccompRule>> {
    FORKING.iter().map(|call| (*call, Vec::new())).collect()
}

/// The place of the argument, beyond those of the calls themselves, that holds the pass.
const PASS: u8 = 5;

/// Makes one of the calls that forking needs, showing the pass.
#[expect(unsafe_code, reason = "a system call")]
pub(crate) fn passed(call: c_long, arguments: [usize; 5], pass: u64) -> io::Result<c_long> {
    let [a, b, c, d, e] = arguments;
    // SAFETY: the callers pass numbers and addresses of what outlives the call.
    let result = unsafe { libc::syscall(call, a, b, c, d, e, pass) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

const F_SETSIG: i32 = 10;
const F_SETOWN_EX: i32 = 15;

/// Opening a file to change or to make it; `flags` is the place of the argument.
fn writing(flags: u8) -> Result<Vec<SeccompRule>, Error> {
    let has = |flag: i32| {
        let flag = flag as u64;
        when(flags, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(flag), flag)
    };
    [libc::O_WRONLY, libc::O_RDWR, libc::O_CREAT, libc::O_TRUNC].into_iter().map(has).collect()
}

fn when(argument: u8, len: SeccompCmpArgLen, op: SeccompCmpOp, value: u64) -> Result<SeccompRule, Error> {
    Ok(SeccompRule::new(vec![SeccompCondition::new(argument, len, op, value)?])?)
}
