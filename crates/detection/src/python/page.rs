//! The page of counters shared with a worker: where it is, seen from outside.

use std::ffi::c_void;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use super::protocol::{PAGE_BYTES, page};

/// A mapped memory file.
pub(crate) struct Page {
    address: NonNull<c_void>,
    file: OwnedFd,
}

/// What a worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// Content is being called.
    pub(crate) busy: bool,
    /// Counts calls.
    pub(crate) counter: u64,
    pub(crate) batch: u64,
    /// The last event of that batch that a detection was called on.
    pub(crate) event: Option<u32>,
    pub(crate) detection: u32,
}

#[expect(unsafe_code, reason = "shared memory")]
// SAFETY: the mapping belongs to this value alone and is only used through atomics.
unsafe impl Send for Page {}
#[expect(unsafe_code, reason = "shared memory")]
// SAFETY: as above.
unsafe impl Sync for Page {}

impl Page {
    #[expect(unsafe_code, reason = "makes and maps a memory file")]
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: plain system calls; their results are checked, and the descriptor is owned at once.
        let (file, address) = unsafe {
            let descriptor = libc::memfd_create(c"uncia-worker".as_ptr(), libc::MFD_CLOEXEC);
            if descriptor < 0 {
                return Err(io::Error::last_os_error());
            }
            let file = OwnedFd::from_raw_fd(descriptor);
            if libc::ftruncate(descriptor, PAGE_BYTES as libc::off_t) < 0 {
                return Err(io::Error::last_os_error());
            }
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            let address = libc::mmap(std::ptr::null_mut(), PAGE_BYTES, protection, libc::MAP_SHARED, descriptor, 0);
            if address == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            (file, address)
        };
        let page = Self { address: NonNull::new(address).expect("a mapping is not at address 0"), file };
        page.word(page::EVENT).store(page::NO_EVENT, Ordering::Release);
        Ok(page)
    }

    pub(crate) fn descriptor(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    #[expect(unsafe_code, reason = "shared memory")]
    fn word(&self, at: usize) -> &AtomicU64 {
        debug_assert!(at < PAGE_BYTES / size_of::<AtomicU64>());
        // SAFETY: within the mapping, aligned, and only ever used as an atomic.
        unsafe { self.address.cast::<AtomicU64>().add(at).as_ref() }
    }

    pub(crate) fn position(&self) -> Position {
        let word = |at| self.word(at).load(Ordering::Acquire);
        let (busy, counter) = (word(page::BUSY) == 1, word(page::COUNTER));
        Position {
            busy,
            counter,
            batch: word(page::BATCH),
            event: u32::try_from(word(page::EVENT)).ok(),
            detection: word(page::DETECTION) as u32,
        }
    }

    /// Marks the call that the next interrupt is meant for.
    pub(crate) fn mark_interrupt(&self, counter: u64) {
        self.word(page::INTERRUPT).store(counter, Ordering::Release);
    }
}

impl Drop for Page {
    #[expect(unsafe_code, reason = "unmaps what `new` mapped")]
    fn drop(&mut self) {
        // SAFETY: mapped in `new`, nobody borrows from it any more.
        unsafe { libc::munmap(self.address.as_ptr(), PAGE_BYTES) };
    }
}
