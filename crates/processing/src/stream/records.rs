//! The records of a payload, one at a time.

use std::sync::Arc;

use bytes::Bytes;
use uncia_document::Timestamp;
use uncia_model::limits::MAX_EVENT_BYTES;
use uncia_model::{Failure, FailureReason, Head, Origin, Payload, Record};

use super::array::ArrayCutter;
use super::cut::{Cut, Cutter};
use super::feed::Feed;
use super::lines::LineCutter;
use super::sniff::{SNIFF_BYTES, infer};
use super::stream_type::StreamType;
use super::values::ValueCutter;
use crate::failure::failure_of;

/// Of an oversized record this much is held, and kept as its blob; of what is longer still, the rest is only counted.
const MAX_KEPT_BYTES: usize = 64 * 1024 * 1024;

/// Bytes to records.
pub struct Splitter;

impl Splitter {
    /// The records of a payload, lazily. What is wrong with the stream comes as failures: good records before it are
    /// kept, and of a record beyond [`MAX_EVENT_BYTES`] the failure's payload is the whole (up to 64 MiB), to be kept
    /// as the blob it names. Records that are no UTF-8 are the processor's to refuse.
    #[must_use]
    pub fn records(payload: &Payload, stream: &StreamType) -> Records {
        let mut records = Records::new(payload.origin.clone(), payload.received, Feed::of(&payload.bytes), stream);
        records.earlier_head = payload.head.clone();
        records
    }
}

/// Iterates over the records of a payload; see [`Splitter::records`].
pub struct Records {
    origin: Origin,
    received: Timestamp,
    feed: Feed,
    stream: StreamType,
    /// Chosen once the first bytes are there.
    cutter: Option<Cutter>,
    window: Bytes,
    at: usize,
    /// Bytes of the stream before the window.
    before: u64,
    /// The feed has ended, or failed with this complaint.
    is_ended: bool,
    complaint: Option<String>,
    /// The first part of a record that is too long to be held, and its bytes dropped so far.
    oversized: Option<(Bytes, u64)>,
    ordinal: u64,
    is_done: bool,
    /// The file's first lines, if the payload is a later part of it.
    earlier_head: Option<Bytes>,
    head: Option<Arc<Head>>,
}

impl Records {
    pub(super) fn new(origin: Origin, received: Timestamp, feed: Feed, stream: &StreamType) -> Self {
        Self {
            origin,
            received,
            feed,
            stream: stream.clone(),
            cutter: None,
            window: Bytes::new(),
            at: 0,
            before: 0,
            is_ended: false,
            complaint: None,
            oversized: None,
            ordinal: 0,
            is_done: false,
            earlier_head: None,
            head: None,
        }
    }

    /// Gets more bytes behind what is left of the window.
    fn fill(&mut self) {
        let left = self.window.slice(self.at..);
        let filled = self.feed.fill(&left);
        if let Some(piece) = filled.piece {
            self.before += self.at as u64;
            self.at = 0;
            self.window = piece;
        } else {
            self.is_ended = true;
        }
        if filled.error.is_some() {
            self.complaint = filled.error;
            self.is_ended = true;
        }
    }

    /// Looks at the first bytes and chooses the cutter.
    #[expect(clippy::result_large_err, reason = "a failure is a value that travels on, and it is rare")]
    fn begin(&mut self) -> Result<Cutter, Failure> {
        while !self.is_ended && self.window.len() < SNIFF_BYTES {
            self.fill();
        }
        if self.window.starts_with(b"\xef\xbb\xbf") {
            self.at = 3;
        }
        let head = &self.window[self.at..self.window.len().min(SNIFF_BYTES)];
        let first_line = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
        if let Some(at) = memchr::memchr(0, first_line) {
            let message = format!("binary data: a NUL byte at byte {} of the stream", self.at + at);
            return Err(self.fail(FailureReason::InvalidUtf8, message));
        }
        let stream = match &self.stream {
            StreamType::Auto => infer(head, self.is_ended && head.len() == self.window.len() - self.at),
            stream => stream.clone(),
        };
        if matches!(stream, StreamType::Lines | StreamType::Auto) {
            self.head = self.head_of_lines().map(Arc::new);
        }
        Ok(match stream {
            StreamType::Json => Cutter::Values(ValueCutter::default()),
            StreamType::JsonArray { path } => Cutter::Array(ArrayCutter::new(path)),
            StreamType::Lines | StreamType::Auto => Cutter::Lines(LineCutter::default()),
        })
    }

    /// The stream's first whole lines, as far as the first window goes. They are copied, so as not to hold the window.
    fn head_of_lines(&self) -> Option<Head> {
        if let Some(head) = &self.earlier_head {
            let lines = whole_lines(head, false)?;
            return Some(Head { lines: Bytes::copy_from_slice(lines), first: None });
        }
        let window = &self.window[self.at..];
        let shown = &window[..window.len().min(SNIFF_BYTES)];
        let lines = whole_lines(shown, self.is_ended && shown.len() == window.len())?;
        Some(Head { lines: Bytes::copy_from_slice(lines), first: Some(self.ordinal) })
    }

    /// The stream ends with a failure, which shows what is left of it.
    fn fail(&mut self, reason: FailureReason, message: String) -> Failure {
        self.is_done = true;
        let left = self.window.slice(self.at..);
        let (shown, dropped) = self.oversized.take().unwrap_or((left.clone(), 0));
        let mut failure = failure_of(reason, message, &self.origin, self.ordinal, self.received, shown);
        failure.size = dropped + left.len() as u64;
        failure
    }

    #[expect(clippy::result_large_err, reason = "a failure is a value that travels on, and it is rare")]
    fn record(&mut self, start: usize, end: usize) -> Result<Record, Failure> {
        let bytes = self.window.slice(start..end);
        let ordinal = self.ordinal;
        self.ordinal += 1;
        let (kept, size) = match self.oversized.take() {
            Some((kept, dropped)) => (kept, dropped + bytes.len() as u64),
            None if bytes.len() > MAX_EVENT_BYTES => (bytes.clone(), bytes.len() as u64),
            None => return Ok(Record { ordinal, bytes, head: self.head.clone() }),
        };
        let message = format!("the record has {size} bytes; the limit is {MAX_EVENT_BYTES}");
        let mut failure = failure_of(FailureReason::TooLarge, message, &self.origin, ordinal, self.received, kept);
        failure.size = size;
        failure.blob = Some(failure.row_id.to_string());
        Err(failure)
    }

    /// A record so long that its bytes are dropped as they come.
    fn drop_oversized(&mut self, cutter: &mut Cutter) {
        let window = self.window.slice(self.at..);
        let dropped = window.len();
        cutter.forget(dropped);
        match &mut self.oversized {
            Some((_, count)) => *count += dropped as u64,
            None => self.oversized = Some((window, dropped as u64)),
        }
        self.at = self.window.len();
    }
}

fn whole_lines(bytes: &[u8], is_all: bool) -> Option<&[u8]> {
    if is_all {
        return Some(bytes);
    }
    let end = bytes.iter().rposition(|&byte| byte == b'\n')?;
    Some(&bytes[..end])
}

impl Iterator for Records {
    type Item = Result<Record, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let mut cutter = match self.cutter.take() {
            Some(cutter) => cutter,
            None => match self.begin() {
                Ok(cutter) => cutter,
                Err(failure) => return Some(Err(failure)),
            },
        };
        loop {
            // After a failed feed nothing is the last: what is unfinished belongs to the failure.
            let is_last = self.is_ended && self.complaint.is_none();
            match cutter.next(&self.window[self.at..], is_last) {
                Cut::Record { range, consumed } => {
                    let (start, end) = (self.at + range.start, self.at + range.end);
                    self.at += consumed;
                    self.cutter = Some(cutter);
                    return Some(self.record(start, end));
                }
                Cut::End => {
                    self.is_done = true;
                    return None;
                }
                Cut::Broken { at, reason, message } => {
                    let place = self.before + (self.at + at) as u64;
                    return Some(Err(self.fail(reason, format!("{message}, at byte {place}"))));
                }
                Cut::More { consumed } => {
                    self.at += consumed;
                    if let Some(complaint) = self.complaint.take() {
                        return Some(Err(self.fail(FailureReason::DecompressError, complaint)));
                    }
                    let held = self.window.len() - self.at;
                    if held > MAX_KEPT_BYTES || (self.oversized.is_some() && held > MAX_EVENT_BYTES) {
                        if !cutter.is_in_record() {
                            let message = format!("more than {MAX_KEPT_BYTES} bytes of envelope before a record");
                            return Some(Err(self.fail(FailureReason::EnvelopeError, message)));
                        }
                        self.drop_oversized(&mut cutter);
                    }
                    self.fill();
                }
            }
        }
    }
}

const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<Records>();
};
