//! What the tests share: a small log, a blocking way to append, entries that tell who they are, a generator of seeds.

use std::future::Future;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use bytes::Bytes;
use uncia_wal::fs::SimulatedFs;
use uncia_wal::{Entry, Position, Recovery, Wal, WalConfig, WalError};

pub(crate) const DIR: &str = "/wal";

/// Segments so small that a few entries fill one.
pub(crate) fn config(consumed: Position) -> WalConfig {
    WalConfig { segment_bytes: 4096, group_bytes: 2048, queue_bytes: 1 << 20, consumed }
}

pub(crate) fn open(disk: &SimulatedFs) -> (Wal, Recovery) {
    try_open(disk, Position::START).unwrap()
}

pub(crate) fn try_open(disk: &SimulatedFs, consumed: Position) -> Result<(Wal, Recovery), WalError> {
    Wal::open(Arc::new(disk.clone()), Path::new(DIR), config(consumed))
}

/// An entry whose first bytes are its number.
pub(crate) fn entry(number: u64, len: usize) -> Bytes {
    let mut bytes: Vec<u8> = number.to_le_bytes().to_vec();
    bytes.extend((0..len).map(|index| (number as usize + index) as u8));
    bytes.into()
}

pub(crate) fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[..8].try_into().unwrap())
}

/// All entries that can be read, and what reading complained about.
pub(crate) fn read_all(wal: &Wal, from: Position) -> (Vec<Entry>, Vec<WalError>) {
    let (mut entries, mut errors) = (Vec::new(), Vec::new());
    for item in wal.read_from(from) {
        match item {
            Ok(entry) => entries.push(entry),
            Err(error @ WalError::Damaged(_)) => errors.push(error),
            // The same place would be tried again.
            Err(error) => {
                errors.push(error);
                break;
            }
        }
        assert!(errors.len() < 10_000, "reading does not end");
    }
    (entries, errors)
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future on this thread: these tests need no runtime.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

/// Appends all at once, so that they form groups, and answers for each.
pub(crate) fn append_all(wal: &Wal, entries: Vec<Bytes>) -> Vec<Result<Position, WalError>> {
    queue_all(wal, entries).into_iter().map(block_on).collect()
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<Position, WalError>> + 'a>>;

/// Puts all into the queue and gives the answers to wait for.
pub(crate) fn queue_all(wal: &Wal, entries: Vec<Bytes>) -> Vec<Answer<'_>> {
    let mut context = Context::from_waker(Waker::noop());
    let mut answers: Vec<Answer<'_>> = Vec::with_capacity(entries.len());
    for entry in entries {
        let mut answer: Answer<'_> = Box::pin(wal.append(entry));
        // The first poll queues the entry. An answer that is there already is kept.
        if let Poll::Ready(result) = answer.as_mut().poll(&mut context) {
            answer = Box::pin(std::future::ready(result));
        }
        answers.push(answer);
    }
    answers
}

/// A small generator (`SplitMix64`).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// The seeds to run: one that `SEED` names, or `SEEDS` many, or so many as given.
pub(crate) fn seeds(usual: u64) -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match (number("SEED"), number("SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, Some(count)) => 0..count,
        (None, None) => 0..usual,
    }
}
