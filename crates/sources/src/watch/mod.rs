//! Follows folders: new files, files that grow, files that are rotated, renamed or cut.
//!
//! A file is known by its device, inode and beginning, not by its path, so a renamed file goes on where it was. How far it
//! was taken is its *mark*, which the pipeline stores in the transaction that lands what was taken; reading begins again at
//! the mark after a crash, with the same origin keys, so nothing is lost and nothing doubled.
//!
//! Lines are taken as soon as they are complete. What must be seen as a whole, compressed files and JSON documents, waits
//! until the file has been quiet for a while; so does a last line without its end. A whole file is known by its content, as
//! `uncia ingest` knows it. Plain polling: it works on network folders too, and misses nothing when it was not running.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::Deserialize;
use tokio::sync::mpsc;
use uncia_document::Timestamp;
use uncia_model::limits::MAX_EVENT_BYTES;
use uncia_model::{Clock, LogType, Origin, Payload, SourceId};
use uncia_processing::FilterConfig;

use crate::files::{self, Body};
use crate::silence::NoDataMinutes;
use crate::stream::StreamConfig;

mod identity;
mod listing;

use identity::{Head, Taking};
use listing::{Listing, Node, Seen};

/// Bytes of lines taken at once.
const CHUNK_BYTES: usize = 8 * 1024 * 1024;
/// Of a file's beginning, handed on with its later parts: its first lines may name the columns.
const HEAD_BYTES: usize = 64 * 1024;
/// A line without an end is looked at up to this length, then taken as it is.
const LONGEST_LINE: usize = MAX_EVENT_BYTES + CHUNK_BYTES;
/// Bytes taken in one scan, so that one does not hold everything that has piled up in memory.
const SCAN_BYTES: usize = 64 * 1024 * 1024;

/// A watched folder.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchSourceConfig {
    /// Events carry it as `p_source_id`.
    pub id: SourceId,
    /// What people call it, `p_source_label`; the id if left out.
    #[serde(default)]
    pub label: Option<String>,
    /// Folders to follow, with what is below them; single files too.
    pub paths: Vec<PathBuf>,
    /// Log types that its records may have; all known ones if left out.
    #[serde(default)]
    pub log_types: Vec<LogType>,
    /// How files are cut into records.
    #[serde(default)]
    pub stream: StreamConfig,
    /// What of it is dropped.
    #[serde(default)]
    pub filters: FilterConfig,
    /// Names of files to follow, with `*` for any text; all if left out.
    #[serde(default)]
    pub include: Vec<String>,
    /// Names of files to leave alone, such as `*.gz` where logs are rotated and compressed after they were followed.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Seconds between two looks.
    #[serde(default = "interval_seconds")]
    pub interval_seconds: u64,
    /// Seconds without a change after which a file is taken as finished.
    #[serde(default = "quiet_seconds")]
    pub quiet_seconds: u64,
    /// Minutes of silence after which somebody is told; 0: nobody is.
    #[serde(default)]
    pub no_data_minutes: NoDataMinutes,
}

const fn interval_seconds() -> u64 {
    2
}

const fn quiet_seconds() -> u64 {
    10
}

/// How far files were taken: the store's progress, read.
#[async_trait]
pub trait Marks: Send + Sync {
    /// The offset of a [`Mark`] that was stored, if it was.
    async fn mark(&self, source: &SourceId, key: &str) -> Result<Option<u64>, MarksError>;
}

/// Marks could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the progress of watched files cannot be read: {0}")]
pub struct MarksError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// A part of a file, to be landed.
#[derive(Clone, Debug)]
pub struct Taken {
    pub payload: Payload,
    /// Where the payload's bytes are read from, if they are too many to be held.
    pub body: Option<Body>,
    /// To be stored together with the last of the payload's records.
    pub mark: Mark,
}

/// How far a file is taken once a [`Taken`] has landed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Like an origin key; no payload has it as its own.
    pub key: Arc<str>,
    pub offset: u64,
}

/// What one look found.
#[derive(Debug, Default)]
pub struct Scan {
    pub taken: Vec<Taken>,
    /// Paths that could not be read, one sentence each.
    pub problems: Vec<String>,
    /// There is more to take at once.
    pub more: bool,
}

/// Follows the folders of one source.
pub struct Watcher {
    config: WatchSourceConfig,
    label: Arc<str>,
    files: HashMap<Node, Followed>,
    /// Problems already told, so that a run does not repeat them at every look.
    told: HashSet<String>,
}

/// What is remembered of a file between two looks.
struct Followed {
    size: u64,
    modified: Timestamp,
    /// When it was last seen to change.
    changed: Timestamp,
    identified: Option<Identified>,
}

struct Identified {
    id: String,
    /// How often the file was cut and begun anew with the same beginning.
    generation: u32,
    /// Taken up to here.
    offset: u64,
}

impl Identified {
    fn key(&self) -> Arc<str> {
        mark_key(&self.id, self.generation)
    }
}

fn mark_key(id: &str, generation: u32) -> Arc<str> {
    Arc::from(if generation == 0 { format!("watch:{id}") } else { format!("watch:{id}.{generation}") })
}

impl Watcher {
    #[must_use]
    pub fn new(config: WatchSourceConfig) -> Self {
        let label = Arc::from(config.label.as_deref().unwrap_or(config.id.as_str()));
        Self { config, label, files: HashMap::new(), told: HashSet::new() }
    }

    /// Looks again and again until `stop` comes or nobody receives.
    pub async fn run(
        mut self,
        clock: Arc<dyn Clock>,
        marks: Arc<dyn Marks>,
        out: mpsc::Sender<Taken>,
        stop: impl Future<Output = ()>,
    ) {
        let follow = async {
            loop {
                let more = match self.scan(clock.now(), marks.as_ref()).await {
                    Ok(scan) => {
                        self.tell(&scan.problems);
                        for taken in scan.taken {
                            if out.send(taken).await.is_err() {
                                return;
                            }
                        }
                        scan.more
                    }
                    Err(error) => {
                        tracing::error!(source = %self.config.id, %error, "watching waits");
                        false
                    }
                };
                if !more {
                    tokio::time::sleep(Duration::from_secs(self.config.interval_seconds.max(1))).await;
                }
            }
        };
        tokio::select! {
            () = follow => {}
            () = stop => {}
        }
    }

    fn tell(&mut self, problems: &[String]) {
        for problem in problems {
            if !self.told.contains(problem) {
                tracing::warn!(source = %self.config.id, "{problem}");
            }
        }
        self.told = problems.iter().cloned().collect();
    }

    /// Looks once and takes what is ready.
    pub async fn scan(&mut self, now: Timestamp, marks: &dyn Marks) -> Result<Scan, MarksError> {
        let Listing { seen, problems } = listing::list(&self.config).await;
        let mut scan = Scan { problems, ..Scan::default() };
        let there: HashSet<Node> = seen.iter().map(|seen| seen.node).collect();
        self.files.retain(|node, _| there.contains(node));
        let mut room = SCAN_BYTES;
        for seen in seen {
            if room == 0 {
                scan.more = true;
                break;
            }
            let file = self.files.entry(seen.node).or_insert_with(|| Followed::of(&seen, now));
            if (file.size, file.modified) != (seen.size, seen.modified) {
                (file.size, file.modified, file.changed) = (seen.size, seen.modified, now);
            }
            let quiet_for = now.micros.saturating_sub(file.changed.micros);
            let quiet =
                quiet_for >= i64::try_from(self.config.quiet_seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000);
            let finished = file.identified.as_ref().is_some_and(|identified| identified.offset == file.size);
            if file.size == 0 || finished && quiet {
                continue;
            }
            let follow = Follow { config: &self.config, label: &self.label, marks, now, quiet };
            match follow.take(&seen, file, &mut room, &mut scan).await {
                Ok(()) => {}
                Err(FollowError::Marks(error)) => return Err(error),
                // Renamed or deleted between the listing and now: the next look shows where it went.
                Err(FollowError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
                Err(FollowError::Io(error)) => {
                    scan.problems.push(format!("{}: cannot be read: {error}", seen.path.display()));
                }
            }
        }
        Ok(scan)
    }
}

impl Followed {
    fn of(seen: &Seen, now: Timestamp) -> Self {
        Self { size: seen.size, modified: seen.modified, changed: now, identified: None }
    }
}

enum FollowError {
    Io(io::Error),
    Marks(MarksError),
}

impl From<io::Error> for FollowError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<MarksError> for FollowError {
    fn from(error: MarksError) -> Self {
        Self::Marks(error)
    }
}

/// One file at one look.
struct Follow<'a> {
    config: &'a WatchSourceConfig,
    label: &'a Arc<str>,
    marks: &'a dyn Marks,
    now: Timestamp,
    quiet: bool,
}

impl Follow<'_> {
    async fn take(
        &self,
        seen: &Seen,
        file: &mut Followed,
        room: &mut usize,
        scan: &mut Scan,
    ) -> Result<(), FollowError> {
        let head = Head::read(seen).await?;
        let taking = head.taking(&self.config.stream);
        let ready = self.quiet || taking == Taking::Lines && head.has_whole_line();
        if !ready {
            return Ok(());
        }
        let id = head.id(seen.node, taking);
        let known = file.identified.take_if(|identified| identified.id == id);
        let mut identified = match known {
            Some(identified) => identified,
            None => self.stored(id).await?,
        };
        if seen.size < identified.offset {
            identified.generation += 1;
            identified.offset = 0;
        }
        let identified = file.identified.insert(identified);

        while identified.offset < seen.size {
            if *room == 0 {
                scan.more = true;
                break;
            }
            let left = usize::try_from(seen.size - identified.offset).unwrap_or(usize::MAX);
            let (bytes, body) = match taking {
                Taking::Whole if left > files::HELD_BYTES => (Bytes::new(), Some(seen.body(identified.offset).await?)),
                Taking::Whole => (seen.read(identified.offset, left).await?, None),
                Taking::Lines => (self.lines(seen, identified.offset, left).await?, None),
            };
            let size = body.as_ref().map_or(bytes.len() as u64, |body| body.size);
            if size == 0 {
                break;
            }
            let key = mark_key(&identified.id, identified.generation);
            let origin_key = match (&body, taking, identified.offset) {
                (Some(body), _, 0) => body.key(),
                (None, Taking::Whole, 0) => files::key_of(&bytes),
                (_, _, offset) => format!("{key}:{offset}").into(),
            };
            let later_part_head = match taking {
                Taking::Lines if identified.offset > 0 => Some(seen.read(0, HEAD_BYTES).await?),
                _ => None,
            };
            *room = room.saturating_sub(bytes.len());
            identified.offset += size;
            scan.taken.push(Taken {
                payload: Payload {
                    origin: Origin {
                        source: self.config.id.clone(),
                        source_label: self.label.clone(),
                        key: origin_key,
                        place: Some(Arc::from(seen.path.to_string_lossy().as_ref())),
                    },
                    bytes,
                    received: self.now,
                    log_types: self.config.log_types.clone(),
                    head: later_part_head,
                },
                body,
                mark: Mark { key: identified.key(), offset: identified.offset },
            });
        }
        Ok(())
    }

    /// Where a file that this process has not met before was left.
    async fn stored(&self, id: String) -> Result<Identified, MarksError> {
        let mut identified = Identified { id, generation: 0, offset: 0 };
        for generation in 0.. {
            let key = mark_key(&identified.id, generation);
            let Some(offset) = self.marks.mark(&self.config.id, &key).await? else { break };
            (identified.generation, identified.offset) = (generation, offset);
        }
        Ok(identified)
    }

    /// Complete lines from the offset on; all that is left if the file is quiet. Empty if no line is complete.
    async fn lines(&self, seen: &Seen, offset: u64, left: usize) -> io::Result<Bytes> {
        let mut want = CHUNK_BYTES.min(left);
        loop {
            let bytes = seen.read(offset, want).await?;
            let at_end = bytes.len() == left;
            if at_end && self.quiet {
                return Ok(bytes);
            }
            if let Some(end) = bytes.iter().rposition(|&byte| byte == b'\n') {
                return Ok(bytes.slice(..=end));
            }
            if at_end || bytes.len() < want {
                return Ok(Bytes::new());
            }
            if want >= LONGEST_LINE {
                return Ok(bytes);
            }
            want = LONGEST_LINE.min(left);
        }
    }
}

#[cfg(test)]
mod tests;
