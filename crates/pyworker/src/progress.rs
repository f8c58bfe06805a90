//! The page of counters that the main process watches; see `protocol`.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::protocol::{PAGE_BYTES, page};

/// The shared page.
pub(crate) struct Progress {
    words: &'static [AtomicU64; PAGE_BYTES / 8],
}

static PROGRESS: OnceLock<Progress> = OnceLock::new();

impl Progress {
    /// Maps the page; the descriptor is closed, detections need not find it.
    #[expect(unsafe_code, reason = "maps the page that the main process shares through an inherited descriptor")]
    pub(crate) fn connect(descriptor: i32) -> io::Result<()> {
        // SAFETY: the descriptor is the memory file of PAGE_BYTES that the main process opened for us; the mapping lives
        // as long as the process and is only ever read and written as atomic words.
        let words = unsafe {
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            let address = libc::mmap(std::ptr::null_mut(), PAGE_BYTES, protection, libc::MAP_SHARED, descriptor, 0);
            if address == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            libc::close(descriptor);
            &*address.cast()
        };
        PROGRESS.get_or_init(|| Self { words });
        Ok(())
    }

    /// Puts another page in the place of this one: that of a process that was forked.
    #[expect(unsafe_code, reason = "maps over the page")]
    pub(crate) fn replace(&self, page: &OwnedFd) -> io::Result<()> {
        let place = self.words.as_ptr().cast_mut().cast();
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_FIXED;
        // SAFETY: the same range that `connect` has mapped, for the same use; nobody writes meanwhile, as a process that
        // forks has one thread.
        let address = unsafe { libc::mmap(place, PAGE_BYTES, protection, flags, page.as_raw_fd(), 0) };
        if address == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Unconnected outside of workers, e.g. in tests of the event classes.
    pub(crate) fn get() -> Option<&'static Self> {
        PROGRESS.get()
    }

    pub(crate) fn start_batch(&self, batch: u64) {
        self.words[page::EVENT].store(page::NO_EVENT, Ordering::Release);
        self.words[page::BATCH].store(batch, Ordering::Release);
    }

    /// Notes that content is about to be called.
    pub(crate) fn begin(&self, event: u64, detection: u64) {
        self.words[page::EVENT].store(event, Ordering::Relaxed);
        self.words[page::DETECTION].store(detection, Ordering::Relaxed);
        self.words[page::COUNTER].fetch_add(1, Ordering::Release);
        self.words[page::BUSY].store(1, Ordering::Release);
    }

    /// Notes that work of our own goes on.
    pub(crate) fn go_on(&self) {
        self.words[page::COUNTER].fetch_add(1, Ordering::Release);
    }

    /// Notes that the call is over and what it found is written.
    pub(crate) fn end(&self) {
        self.words[page::BUSY].store(0, Ordering::Release);
    }

    /// Whether it is the call now running that shall be interrupted, not one before it.
    pub(crate) fn overdue(&self) -> bool {
        let word = |n: usize| self.words[n].load(Ordering::Acquire);
        word(page::BUSY) == 1 && word(page::INTERRUPT) == word(page::COUNTER)
    }
}
