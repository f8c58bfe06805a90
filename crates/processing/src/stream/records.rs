//! The records of a payload, one at a time.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use uncia_document::Timestamp;
use uncia_model::limits::MAX_EVENT_BYTES;
use uncia_model::{Failure, FailureReason, Head, Origin, Payload, Record};

use super::array::ArrayCutter;
use super::cut::{Cut, Cutter};
use super::elements::{ElementCutter, Root, infer_root};
use super::feed::{Feed, Trouble};
use super::lines::LineCutter;
use super::sniff::{SNIFF_BYTES, infer};
use super::stream_type::StreamType;
use super::subscription::Opener;
use super::values::ValueCutter;
use crate::columns::Columnar;
use crate::failure::failure_of;
use crate::xml;

/// Of an oversized record this much is held, and kept as its blob; of what is longer still, the rest is only counted.
const MAX_KEPT_BYTES: usize = 32 * 1024 * 1024;

/// Bytes to records.
#[derive(Clone, Default)]
pub struct Splitter {
    columnar: Option<Arc<dyn Columnar>>,
}

impl Splitter {
    /// One that opens files of columns with this.
    #[must_use]
    pub fn with_columnar(columnar: Arc<dyn Columnar>) -> Self {
        Self { columnar: Some(columnar) }
    }

    /// The records of a payload, lazily. What is wrong with the stream comes as failures: good records before it are
    /// kept, and of a record beyond [`MAX_EVENT_BYTES`] the failure's payload is the whole (up to 32 MiB), to be kept
    /// as the blob it names. Records that are no UTF-8 are the processor's to refuse.
    #[must_use]
    pub fn records(&self, payload: &Payload, stream: &StreamType) -> Records {
        let feed = Feed::in_memory(&payload.bytes, self.columnar.clone());
        Records {
            earlier_head: payload.head.clone(),
            ..Records::new(payload.origin.clone(), payload.received, feed, stream)
        }
    }

    /// The same for bytes that are read on the way, however many they are; the payload's own are not looked at. `size`
    /// is how many they are, where that is known.
    #[must_use]
    pub fn read(
        &self,
        payload: &Payload,
        reader: Box<dyn Read + Send>,
        size: Option<u64>,
        stream: &StreamType,
    ) -> Records {
        let feed = Feed::from_outside(reader, size, self.columnar.clone());
        Records {
            earlier_head: payload.head.clone(),
            ..Records::new(payload.origin.clone(), payload.received, feed, stream)
        }
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
    shape: Shape,
    window: Bytes,
    at: usize,
    /// Bytes of the stream before the window.
    before: u64,
    /// The feed has ended, or failed with this complaint.
    is_ended: bool,
    complaint: Option<String>,
    /// The first part of a record that is too long to be held, and its bytes dropped so far.
    oversized: Option<(Bytes, u64)>,
    /// Found, and not given out yet.
    pending: VecDeque<Result<Record, Failure>>,
    ordinal: u64,
    is_done: bool,
    broken: Option<io::Error>,
    /// The file's first lines, if the payload is a later part of it.
    earlier_head: Option<Bytes>,
    head: Option<Arc<Head>>,
}

/// What is made of what was cut.
enum Shape {
    /// It is the record.
    Record,
    /// Its messages are the records.
    Subscription(Box<Opener>),
    /// The record is its JSON.
    Element,
}

impl Records {
    pub(super) fn new(origin: Origin, received: Timestamp, feed: Feed, stream: &StreamType) -> Self {
        Self {
            origin,
            received,
            feed,
            stream: stream.clone(),
            cutter: None,
            shape: Shape::Record,
            window: Bytes::new(),
            at: 0,
            before: 0,
            is_ended: false,
            complaint: None,
            oversized: None,
            pending: VecDeque::new(),
            ordinal: 0,
            is_done: false,
            broken: None,
            earlier_head: None,
            head: None,
        }
    }

    /// After the last record: the error that ended the reading before the end. The records so far are good, and reading
    /// again gives the same ones and the others.
    pub fn take_error(&mut self) -> Option<io::Error> {
        self.broken.take()
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
        match filled.trouble {
            None => {}
            Some(trouble) => self.trouble(trouble),
        }
    }

    fn trouble(&mut self, trouble: Trouble) {
        self.is_ended = true;
        match trouble {
            Trouble::Content(complaint) => self.complaint = Some(complaint),
            Trouble::Reading(error) => {
                self.broken = Some(error);
                self.is_done = true;
            }
        }
    }

    /// Looks at the first bytes and chooses the cutter. None if they are no text; then the stream has ended.
    fn begin(&mut self) -> Option<Cutter> {
        while !self.is_ended && self.window.len() < SNIFF_BYTES {
            self.fill();
        }
        if self.feed.is_rows() {
            (self.shape, self.head) = (Shape::Record, None);
            return Some(Cutter::Lines(LineCutter::default()));
        }
        if self.window.starts_with(b"\xef\xbb\xbf") {
            self.at = 3;
        }
        let head = &self.window[self.at..self.window.len().min(SNIFF_BYTES)];
        let first_line = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
        if let Some(at) = memchr::memchr(0, first_line) {
            let message = format!("binary data: a NUL byte at byte {} of the stream", self.at + at);
            self.fail(FailureReason::InvalidUtf8, &message);
            return None;
        }
        let stream = match &self.stream {
            StreamType::Auto => infer(head, self.is_ended && head.len() == self.window.len() - self.at),
            stream => stream.clone(),
        };
        let is_lines = matches!(stream, StreamType::Lines | StreamType::Auto);
        self.head = if is_lines { self.head_of_lines().map(Arc::new) } else { None };
        let (cutter, shape) = match stream {
            StreamType::Json => (Cutter::Values(ValueCutter::default()), Shape::Record),
            StreamType::JsonArray { path } => (Cutter::Array(ArrayCutter::new(path)), Shape::Record),
            StreamType::CloudWatchLogs { retain_envelope_fields } => {
                let opener = Box::new(Opener::new(retain_envelope_fields));
                (Cutter::Values(ValueCutter::default()), Shape::Subscription(opener))
            }
            StreamType::Xml { root } => {
                let root = root.map_or_else(|| infer_root(head), Root::Named);
                (Cutter::Elements(ElementCutter::new(root)), Shape::Element)
            }
            StreamType::Lines | StreamType::Auto => (Cutter::Lines(LineCutter::default()), Shape::Record),
        };
        self.shape = shape;
        Some(cutter)
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
    fn fail(&mut self, reason: FailureReason, message: &str) {
        let left = self.window.slice(self.at..);
        let (shown, dropped) = self.oversized.take().unwrap_or((left.clone(), 0));
        let message = match self.feed.stream_name() {
            Some(name) => format!("{name}: {message}"),
            None => message.to_owned(),
        };
        let mut failure = failure_of(reason, message, &self.origin, self.ordinal, self.received, shown);
        failure.size = dropped + left.len() as u64;
        self.ordinal += 1;
        self.pending.push_back(Err(failure));
        self.end();
    }

    /// Goes on to the next stream of the payload, if there is one.
    fn end(&mut self) {
        self.cutter = None;
        self.window = Bytes::new();
        (self.at, self.before) = (0, 0);
        self.is_ended = false;
        self.complaint = None;
        match self.feed.next_stream() {
            Ok(true) => {}
            Ok(false) => self.is_done = true,
            Err(Trouble::Content(message)) => self.fail(FailureReason::DecompressError, &message),
            Err(trouble @ Trouble::Reading(_)) => self.trouble(trouble),
        }
    }

    /// What was cut becomes records or failures.
    fn take(&mut self, start: usize, end: usize) {
        let bytes = self.window.slice(start..end);
        let limit = match &self.shape {
            Shape::Record | Shape::Element => MAX_EVENT_BYTES,
            Shape::Subscription(_) => MAX_KEPT_BYTES,
        };
        let oversized = self.oversized.take();
        if oversized.is_some() || bytes.len() > limit {
            let (kept, dropped) = oversized.unwrap_or((bytes.clone(), 0));
            let size = dropped + if dropped > 0 { bytes.len() as u64 } else { kept.len() as u64 };
            return self.refuse_oversized(kept, size);
        }
        match &mut self.shape {
            Shape::Record => self.push(bytes, None),
            Shape::Element => match xml::to_json(&bytes) {
                Ok(json) if json.len() > MAX_EVENT_BYTES => self.refuse_oversized(json.into(), 0),
                Ok(json) => self.push(json.into(), None),
                Err(error) => self.refuse(bytes, error.to_string()),
            },
            Shape::Subscription(opener) => match opener.open(&bytes) {
                Ok(opened) => {
                    for message in opened.messages {
                        self.push(message, opened.header.clone());
                    }
                }
                Err(message) => self.refuse(bytes, message),
            },
        }
    }

    fn push(&mut self, bytes: Bytes, header: Option<Arc<str>>) {
        self.pending.push_back(Ok(Record {
            ordinal: self.ordinal,
            bytes,
            head: self.head.clone(),
            header,
            identity: None,
        }));
        self.ordinal += 1;
    }

    /// One thing in the stream is not what it should be; what is behind it may be.
    fn refuse(&mut self, bytes: Bytes, message: String) {
        let reason = FailureReason::EnvelopeError;
        let failure = failure_of(reason, message, &self.origin, self.ordinal, self.received, bytes);
        self.ordinal += 1;
        self.pending.push_back(Err(failure));
    }

    fn refuse_oversized(&mut self, kept: Bytes, size: u64) {
        let size = size.max(kept.len() as u64);
        let message = format!("the record has {size} bytes; the limit is {MAX_EVENT_BYTES}");
        let reason = FailureReason::TooLarge;
        let mut failure = failure_of(reason, message, &self.origin, self.ordinal, self.received, kept);
        self.ordinal += 1;
        failure.size = size;
        failure.blob = Some(failure.row_id.to_string());
        self.pending.push_back(Err(failure));
    }

    /// A record so long that its bytes are dropped as they come.
    fn drop_oversized(&mut self, cutter: &mut Cutter) {
        let window = self.window.slice(self.at..);
        let dropped = cutter.droppable(window.len());
        cutter.forget(dropped);
        match &mut self.oversized {
            Some((_, count)) => *count += dropped as u64,
            None => self.oversized = Some((window.slice(..dropped), dropped as u64)),
        }
        self.at += dropped;
    }

    /// One step: a cut, or more bytes to cut.
    fn step(&mut self) {
        let mut cutter = match self.cutter.take() {
            Some(cutter) => cutter,
            None => match self.begin() {
                Some(cutter) if !self.is_done => cutter,
                _ => return,
            },
        };
        // After a failed feed nothing is the last: what is unfinished belongs to the failure.
        let is_last = self.is_ended && self.complaint.is_none();
        match cutter.next(&self.window[self.at..], is_last) {
            Cut::Record { range, consumed } => {
                let (start, end) = (self.at + range.start, self.at + range.end);
                self.at += consumed;
                self.cutter = Some(cutter);
                self.take(start, end);
            }
            Cut::End => self.end(),
            Cut::Broken { at, reason, message } => {
                let place = self.before + (self.at + at) as u64;
                self.fail(reason, &format!("{message}, at byte {place}"));
            }
            Cut::More { consumed } => {
                self.at += consumed;
                if let Some(complaint) = self.complaint.take() {
                    return self.fail(FailureReason::DecompressError, &complaint);
                }
                let held = self.window.len() - self.at;
                if held > MAX_KEPT_BYTES || (self.oversized.is_some() && held > MAX_EVENT_BYTES) {
                    if !cutter.is_in_record() {
                        let message = format!("more than {MAX_KEPT_BYTES} bytes of envelope before a record");
                        return self.fail(FailureReason::EnvelopeError, &message);
                    }
                    self.drop_oversized(&mut cutter);
                }
                self.cutter = Some(cutter);
                self.fill();
            }
        }
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
        loop {
            if let Some(item) = self.pending.pop_front() {
                return Some(item);
            }
            if self.is_done {
                return None;
            }
            self.step();
        }
    }
}

const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<Records>();
};
