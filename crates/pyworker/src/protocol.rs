//! What crosses the socket between the main process and a worker. Both compile this one file.
//!
//! A frame is a little-endian `u32` length (of kind and payload), a kind byte and the payload. Headers are JSON, events are
//! their JSON bytes. Besides the socket the two share a page of counters: the worker notes which detection it is about
//! to run on which event, so that the main process can name the guilty pair when the worker hangs or dies, and can resume
//! right behind it: what a worker finds is written before it moves on.

/// Changes when frames or the page change.
pub(crate) const PROTOCOL: u32 = 3;
/// A hash of the extension's sources: a worker of another build is refused.
pub(crate) const BUILD: &str = env!("UNCIA_EXTENSION_BUILD");
/// Frames beyond this are a sign of a lost stream.
pub(crate) const MAX_FRAME_BYTES: usize = 512 * 1024 * 1024;

/// Size of the page.
pub(crate) const PAGE_BYTES: usize = 4096;

/// Kinds of frames. Names say who writes them: `TO_` the main process, `FROM_` the worker.
pub(crate) mod kind {
    /// JSON: `protocol`, `build`, `python`.
    pub(crate) const FROM_HELLO: u8 = 1;
    /// JSON: `host` (source), `modules`, `fallbacks`.
    pub(crate) const TO_RUNTIME: u8 = 2;
    /// `u32` length, JSON settings, JSON program.
    pub(crate) const TO_LOAD: u8 = 3;
    /// JSON: `errors` by detection index.
    pub(crate) const FROM_LOADED: u8 = 4;
    /// [`super::BatchHeader`], then each event as `u32` length and bytes.
    pub(crate) const TO_BATCH: u8 = 5;
    /// `u32` event, `u32` detection, `u8` what, JSON.
    pub(crate) const FROM_FOUND: u8 = 6;
    /// `u64` batch, then [`super::Counts`].
    pub(crate) const FROM_DONE: u8 = 7;
    /// `u32` length, JSON test case, JSON event.
    pub(crate) const TO_TEST: u8 = 8;
    /// JSON test outcome.
    pub(crate) const FROM_TESTED: u8 = 9;
    /// JSON cache request.
    pub(crate) const FROM_CACHE: u8 = 10;
    /// JSON: `item` or `error`.
    pub(crate) const TO_CACHED: u8 = 11;
    /// `u32` event, `u32` detection, text: a decision without Python that Python does not share.
    pub(crate) const FROM_DIVERGED: u8 = 12;
    /// Nothing; then one byte with the ends of a new worker: its socket, its page, its error output.
    pub(crate) const TO_FORK: u8 = 13;
    /// Nothing: the first words of a worker that was forked, whose sender is known to the kernel.
    pub(crate) const FROM_FORKED: u8 = 14;
    /// Nothing: it is ready for batches.
    pub(crate) const FROM_READY: u8 = 15;
}

/// What was found.
pub(crate) const FOUND_MATCH: u8 = 1;
pub(crate) const FOUND_ERROR: u8 = 2;

/// Words of the page, each an atomic `u64`.
pub(crate) mod page {
    /// Counts calls of content; the same number seen for long means a call that hangs.
    pub(crate) const COUNTER: usize = 0;
    /// Whether content is being called.
    pub(crate) const BUSY: usize = 1;
    /// The batch whose events are being judged.
    pub(crate) const BATCH: usize = 2;
    pub(crate) const EVENT: usize = 3;
    pub(crate) const DETECTION: usize = 4;
    /// Written by the main process: the call that shall be interrupted.
    pub(crate) const INTERRUPT: usize = 5;

    /// `EVENT` before the first call of a batch, and outside of batches.
    pub(crate) const NO_EVENT: u64 = u64::MAX;
}

/// What was done in a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Calls of `rule()` in Python.
    pub(crate) calls: u64,
    /// Events that are no JSON objects.
    pub(crate) unreadable: u64,
    /// Pairs of event and detection.
    pub(crate) pairs: u64,
    /// Of these: ruled out by the index.
    pub(crate) pruned: u64,
    /// Decided by the native evaluator.
    pub(crate) native_false: u64,
    pub(crate) native_true: u64,
    /// Given up by it.
    pub(crate) fallbacks: u64,
    /// Decided without Python, and then run in Python all the same, to compare.
    pub(crate) shadowed: u64,
}

impl Counts {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let Self { calls, unreadable, pairs, pruned, native_false, native_true, fallbacks, shadowed } = *self;
        for number in [calls, unreadable, pairs, pruned, native_false, native_true, fallbacks, shadowed] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }

    pub(crate) fn read(bytes: &mut &[u8]) -> Option<Self> {
        let mut number = || read_u64(bytes);
        Some(Self {
            calls: number()?,
            unreadable: number()?,
            pairs: number()?,
            pruned: number()?,
            native_false: number()?,
            native_true: number()?,
            fallbacks: number()?,
            shadowed: number()?,
        })
    }
}

/// The head of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    pub(crate) batch: u64,
    pub(crate) log_type: String,
    /// Pairs before this one are judged already.
    pub(crate) resume: (u32, u32),
    /// Detections that shall not run.
    pub(crate) skip: Vec<u32>,
    /// Pairs of event and detection that shall not run, ascending: filters have decided them.
    pub(crate) rejected: Vec<(u32, u32)>,
    /// Detections that only Python may judge: a decision without it was wrong.
    pub(crate) distrusted: Vec<u32>,
    pub(crate) events: u32,
}

impl BatchHeader {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.batch.to_le_bytes());
        write_bytes(self.log_type.as_bytes(), out);
        out.extend_from_slice(&self.resume.0.to_le_bytes());
        out.extend_from_slice(&self.resume.1.to_le_bytes());
        for list in [&self.skip, &self.distrusted] {
            out.extend_from_slice(&(list.len() as u32).to_le_bytes());
            for detection in list {
                out.extend_from_slice(&detection.to_le_bytes());
            }
        }
        out.extend_from_slice(&(self.rejected.len() as u32).to_le_bytes());
        for (event, detection) in &self.rejected {
            out.extend_from_slice(&event.to_le_bytes());
            out.extend_from_slice(&detection.to_le_bytes());
        }
        out.extend_from_slice(&self.events.to_le_bytes());
    }

    pub(crate) fn read(bytes: &mut &[u8]) -> Option<Self> {
        let batch = read_u64(bytes)?;
        let log_type = String::from_utf8(read_bytes(bytes)?.to_vec()).ok()?;
        let resume = (read_u32(bytes)?, read_u32(bytes)?);
        let mut list = || {
            let count = read_u32(bytes)?;
            (0..count).map(|_| read_u32(bytes)).collect::<Option<_>>()
        };
        let (skip, distrusted) = (list()?, list()?);
        let count = read_u32(bytes)?;
        let mut pair = || Some((read_u32(bytes)?, read_u32(bytes)?));
        let rejected = (0..count).map(|_| pair()).collect::<Option<_>>()?;
        Some(Self { batch, log_type, resume, skip, distrusted, rejected, events: read_u32(bytes)? })
    }
}

pub(crate) fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

pub(crate) fn read_u32(bytes: &mut &[u8]) -> Option<u32> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u32::from_le_bytes(*number))
}

pub(crate) fn read_u64(bytes: &mut &[u8]) -> Option<u64> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u64::from_le_bytes(*number))
}

pub(crate) fn read_bytes<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = read_u32(bytes)? as usize;
    let (piece, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(piece)
}
