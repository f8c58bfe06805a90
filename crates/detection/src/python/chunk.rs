//! Judging a chunk of events in one worker, whatever happens to it.
//!
//! A worker writes what it found before it moves on, and the shared page says where it is. So after a death every pair of
//! event and detection is either judged, or not yet tried, or it is the one that was running: that one becomes an error,
//! and a new worker resumes right behind it. A process can also be killed from outside, so that an unexplained death
//! gets its pair one more try.

use bytes::Bytes;
use tokio::time::Instant;
use uncia_model::{DetectionError, DetectionErrorKind, LogType};

use super::found::{Found, read_error, read_match};
use super::outcome::EvaluationStats;
use super::pool::{Seat, Shared, answer, error_of};
use super::protocol::{BatchHeader, Counts, FOUND_MATCH, kind, read_u32, read_u64};
use super::worker::{Death, Worker};

/// Consecutive events of a batch.
pub(crate) struct Chunk {
    pub(crate) log_type: LogType,
    pub(crate) events: Vec<Bytes>,
    /// The place of the first event in the batch.
    pub(crate) offset: usize,
    /// Pairs that filters have decided, ascending, by the event's place in the chunk.
    pub(crate) rejected: Vec<(u32, u32)>,
}

/// What was found in a chunk, with the detections' places in the program.
#[derive(Default)]
pub(crate) struct Judged {
    pub(crate) found: Vec<(u32, Found)>,
    pub(crate) stats: EvaluationStats,
}

/// Deaths without any progress after which an event is passed over.
const STUCK: u32 = 3;

struct Progress {
    judged: Judged,
    /// The first pair that is not judged.
    resume: (u32, u32),
    /// The pair that a worker died on once.
    suspect: Option<(u32, u32)>,
    stuck: u32,
}

impl Seat {
    pub(crate) async fn judge(&mut self, chunk: Chunk) -> Judged {
        let shared = std::sync::Arc::clone(&self.shared);
        let mut progress = Progress { judged: Judged::default(), resume: (0, 0), suspect: None, stuck: 0 };
        while (progress.resume.0 as usize) < chunk.events.len() {
            let worker = match self.worker().await {
                Ok(worker) => worker,
                Err(reason) => {
                    progress.give_up(&shared, &chunk, &reason);
                    break;
                }
            };
            let batch = shared.next_batch();
            let ended = run(worker, &shared, &chunk, batch, &mut progress).await;
            if matches!(ended, Ok(Ended::Done)) {
                break;
            }
            self.worker = None;
            if let Err(death) = ended {
                progress.judged.stats.deaths += 1;
                progress.after(&death, batch, &shared, &chunk);
                if progress.stuck > 1 {
                    // Nothing that was called explains it, twice: what the workers were made from may be at fault.
                    shared.replace_zygote().await;
                }
            }
        }
        progress.judged
    }
}

/// How a run of a worker over a chunk ended.
enum Ended {
    Done,
    /// The worker would call a detection again that has been put aside since: it was ended, and another one goes on.
    PutAside,
}

/// Sends what is left of the chunk and takes in what is found, until all is judged or the worker dies.
async fn run(
    worker: &mut Worker,
    shared: &Shared,
    chunk: &Chunk,
    batch: u64,
    progress: &mut Progress,
) -> Result<Ended, Death> {
    let header = BatchHeader {
        batch,
        log_type: chunk.log_type.as_str().to_owned(),
        resume: progress.resume,
        skip: shared.quarantine.closed(Instant::now()),
        rejected: chunk.rejected.clone(),
        distrusted: shared.distrusted(),
        events: chunk.events.len() as u32,
    };
    worker.start_watch();
    worker.send_batch(&header, &chunk.events).await?;
    loop {
        match worker.receive().await? {
            (kind::FROM_FOUND, frame) => {
                if progress.take(&frame, shared, chunk) {
                    worker.end().await;
                    return Ok(Ended::PutAside);
                }
            }
            (kind::FROM_CACHE, request) => answer(worker, &*shared.cache, &request).await?,
            (kind::FROM_DIVERGED, frame) => progress.diverged(&frame, shared, chunk),
            (_, done) => {
                let mut done = &done[..];
                read_u64(&mut done);
                progress.judged.stats.count(Counts::read(&mut done).unwrap_or_default());
                return Ok(Ended::Done);
            }
        }
    }
}

impl Progress {
    /// Takes in one found frame; true if its detection must not be called any more.
    fn take(&mut self, mut frame: &[u8], shared: &Shared, chunk: &Chunk) -> bool {
        let (Some(event), Some(index)) = (read_u32(&mut frame), read_u32(&mut frame)) else { return false };
        let (Some((&what, json)), Some(detection)) =
            (frame.split_first(), shared.program.detections.get(index as usize))
        else {
            return false;
        };
        self.resume = (event, index + 1);
        let at = chunk.offset + event as usize;
        let read = if what == FOUND_MATCH { read_match(json, detection, at) } else { read_error(json, detection, at) };
        let found = match read {
            Ok(found) => found,
            Err(error) => {
                let kind = DetectionErrorKind::Raised;
                self.blame(shared, chunk, (event, index), kind, "InvalidResult", error.to_string());
                return false;
            }
        };
        // An interrupted call has cost the others its whole time, though the worker lives.
        let costly = |found: &Found| match found {
            Found::Error(error) => matches!(error.kind, DetectionErrorKind::Timeout | DetectionErrorKind::Memory),
            Found::Match(_) => false,
        };
        let is_costly = found.iter().any(costly);
        self.judged.found.extend(found.into_iter().map(|found| (index, found)));
        if !is_costly {
            return false;
        }
        note(shared, index, "it ran too long, or took too much memory");
        shared.quarantine.is_closed(index, Instant::now())
    }

    /// Takes in that a decision without Python was wrong.
    fn diverged(&mut self, mut frame: &[u8], shared: &Shared, chunk: &Chunk) {
        let (Some(event), Some(index)) = (read_u32(&mut frame), read_u32(&mut frame)) else { return };
        self.judged.stats.diverged += 1;
        shared.distrust(index);
        let id = shared.program.detections.get(index as usize).map(|detection| detection.id.as_str());
        let event = chunk.events.get(event as usize).map(|event| row_id(event)).unwrap_or_default();
        let what = String::from_utf8_lossy(frame);
        tracing::error!(
            detection.id = id, log_type = %chunk.log_type, row = event,
            "a decision without Python was wrong ({what}); the detection is no longer optimised, its answer is Python's"
        );
    }

    /// Decides what a death means and where to go on.
    fn after(&mut self, death: &Death, batch: u64, shared: &Shared, chunk: &Chunk) {
        let position = death.position;
        let pair = position.event.filter(|_| position.batch == batch).map(|event| (event, position.detection));
        let Some(pair) = pair.filter(|pair| *pair >= self.resume) else {
            self.stuck += 1;
            if self.stuck >= STUCK {
                tracing::error!(log_type = %chunk.log_type, "workers die on an event that no detection has seen: {}", death.cause);
                self.judged.stats.unreadable += 1;
                self.resume = (self.resume.0 + 1, 0);
                self.stuck = 0;
            }
            return;
        };
        self.stuck = 0;
        self.resume = pair;
        let behind = (pair.0, pair.1 + 1);
        if !position.busy {
            self.resume = behind;
            return;
        }
        if !death.timed_out && self.suspect != Some(pair) {
            self.suspect = Some(pair);
            return;
        }
        self.resume = behind;
        let (kind, error) = error_of(death, shared.limits);
        note(shared, pair.1, &error.message);
        self.blame(shared, chunk, pair, kind, &error.exception, error.message);
    }

    fn blame(
        &mut self,
        shared: &Shared,
        chunk: &Chunk,
        (event, index): (u32, u32),
        kind: DetectionErrorKind,
        exception: &str,
        message: String,
    ) {
        let Some(detection) = shared.program.detections.get(index as usize) else { return };
        let error = DetectionError {
            event: chunk.offset + event as usize,
            detection: detection.id.clone(),
            kind,
            exception: exception.to_owned(),
            message,
        };
        self.judged.found.push((index, Found::Error(error)));
    }

    /// No worker starts any more: every detection of the log type says so, once, for all that is left.
    fn give_up(&mut self, shared: &Shared, chunk: &Chunk, reason: &str) {
        for index in shared.program.judges_of(&chunk.log_type) {
            let pair = (self.resume.0, index);
            self.blame(shared, chunk, pair, DetectionErrorKind::Crash, "WorkerUnavailable", reason.to_owned());
        }
    }
}

/// Says at once who held up a worker, long before the batch is done, and puts aside who does it again and again.
fn note(shared: &Shared, detection: u32, what: &str) {
    let id = shared.program.detections.get(detection as usize).map(|detection| detection.id.as_str());
    tracing::warn!(detection.id = id, "a detection held up its worker: {what}");
    if shared.quarantine.note(detection, Instant::now()) {
        let minutes = shared.quarantine.terms().time.as_secs().div_ceil(60);
        tracing::error!(detection.id = id, "detection put aside for {minutes} minutes: it keeps holding up its worker");
    }
}

/// The row id of an event, to find it again.
fn row_id(event: &[u8]) -> String {
    let read: Result<serde_json::Value, _> = serde_json::from_slice(event);
    read.ok().and_then(|event| event.get("p_row_id")?.as_str().map(str::to_owned)).unwrap_or_default()
}
