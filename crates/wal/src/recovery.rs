//! Opening: what is there, what is damaged, what is the half-written end.
//!
//! Only the newest segment is read: the older ones were synced before it was begun, and are checked when they are read.
//! Writing goes on in a new segment, because what was read from the old one's end may have been acted upon although it
//! was never synced; its positions must not come again with other bytes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::fs::{File, Fs};
use crate::log::{Position, Stored};
use crate::record::FRAME;
use crate::segment::{self, DATA_START, FORMAT, Found, Header, Scan};
use crate::writer::Active;
use crate::{Damage, WalError};

/// What opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Bytes of the half-written end that were cut off.
    pub truncated_bytes: u64,
    /// Damage in headers, in the newest segment, and missing segments. Other damage is reported by reading.
    pub corrupt: Vec<Damage>,
    /// Where the next entry will be.
    pub next: Position,
}

pub(crate) struct Recovered {
    pub(crate) recovery: Recovery,
    pub(crate) segments: BTreeMap<u64, Stored>,
    pub(crate) active: Active,
}

/// The newest segment after its end was put right.
struct Tail {
    len: u64,
    next_seq: u64,
    empty: bool,
}

pub(crate) fn recover(fs: &dyn Fs, dir: &Path, consumed: Position) -> Result<Recovered, WalError> {
    fs.create_dir(dir).map_err(|source| WalError::io("make", dir, source))?;
    let mut numbers = list(fs, dir)?;
    remove_consumed(fs, dir, &mut numbers, consumed)?;
    let unfinished = remove_unfinished(fs, dir, &mut numbers)?;

    let mut recovery = Recovery::default();
    let mut segments = BTreeMap::new();
    let mut newest: Option<(u64, Arc<dyn File>, Tail)> = None;
    // The lowest sequence number that certainly was not used before the current segment.
    let mut unused_seq = 1;
    let used_number = consumed.segment.max(unfinished.map_or(0, |number| number - 1));
    for (index, &number) in numbers.iter().enumerate() {
        let last = index + 1 == numbers.len();
        let path = segment::path(dir, number);
        let failed = |source| WalError::io("read", &path, source);
        let file = fs.open(&path).map_err(failed)?;
        let mut len = file.size().map_err(failed)?;
        let (header, damaged_copies) = Header::read(&*file, number).map_err(failed)?;
        if let Some(header) = header.filter(|header| header.format > FORMAT) {
            return Err(WalError::Newer { path, found: header.format, known: FORMAT });
        }
        if index > 0 && numbers[index - 1] + 1 != number {
            let segment = numbers[index - 1] + 1;
            recovery.corrupt.push(Damage { segment, offset: 0, bytes: 0, entries: None, acknowledged: true });
        }
        match header {
            Some(header) => {
                unused_seq = header.first_seq;
                for offset in damaged_copies {
                    recovery.corrupt.push(Damage::of_header_copy(number, offset));
                }
            }
            None => {
                unused_seq = unused_seq.max(number << 32);
                let (segment, offset) = (number, 0);
                recovery.corrupt.push(Damage { segment, offset, bytes: len, entries: None, acknowledged: true });
            }
        }
        let tail = match header.filter(|_| last) {
            Some(header) => {
                let tail = settle_tail(&file, header, len, unfinished.is_some(), &mut recovery).map_err(failed)?;
                unused_seq = tail.next_seq;
                len = tail.len;
                tail
            }
            None => {
                unused_seq += len / FRAME + 1;
                Tail { len, next_seq: unused_seq, empty: false }
            }
        };
        segments.insert(number, Stored { header, len });
        newest = Some((number, file, tail));
    }

    let active = match (newest, segments.last_key_value()) {
        (Some((number, file, tail)), Some((_, Stored { header: Some(header), .. })))
            if tail.empty && Position::new(number, DATA_START) >= consumed =>
        {
            Active { header: *header, file, len: DATA_START, next_seq: tail.next_seq }
        }
        (newest, _) => {
            let number = newest.map_or(0, |(number, ..)| number).max(used_number) + 1;
            Active::create(fs, dir, number, unused_seq)?
        }
    };
    segments.insert(active.header.number, Stored { header: Some(active.header), len: active.len });
    recovery.next = Position::new(active.header.number, active.len);
    Ok(Recovered { recovery, segments, active })
}

fn list(fs: &dyn Fs, dir: &Path) -> Result<Vec<u64>, WalError> {
    let names = fs.list(dir).map_err(|source| WalError::io("list", dir, source))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| segment::number(name)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Removes what a crash kept [`crate::Wal::release`] from removing. The newest segment stays.
fn remove_consumed(fs: &dyn Fs, dir: &Path, numbers: &mut Vec<u64>, consumed: Position) -> Result<(), WalError> {
    let newest = numbers.last().copied();
    let is_consumed = |number: u64| number < consumed.segment && Some(number) != newest;
    if !numbers.iter().any(|number| is_consumed(*number)) {
        return Ok(());
    }
    for number in numbers.iter().filter(|number| is_consumed(**number)) {
        let path = segment::path(dir, *number);
        fs.remove(&path).map_err(|source| WalError::io("remove", &path, source))?;
    }
    numbers.retain(|number| !is_consumed(*number));
    fs.sync_dir(dir).map_err(|source| WalError::io("sync", dir, source))
}

/// Removes the newest segment if its making was interrupted: no entry was ever in it.
fn remove_unfinished(fs: &dyn Fs, dir: &Path, numbers: &mut Vec<u64>) -> Result<Option<u64>, WalError> {
    let Some(&number) = numbers.last() else { return Ok(None) };
    let path = segment::path(dir, number);
    let read = |source| WalError::io("read", &path, source);
    let file = fs.open(&path).map_err(read)?;
    let len = file.size().map_err(read)?;
    let (_, damaged_copies) = Header::read(&*file, number).map_err(read)?;
    if len > DATA_START || damaged_copies.is_empty() {
        return Ok(None);
    }
    fs.remove(&path).and_then(|()| fs.sync_dir(dir)).map_err(|source| WalError::io("remove", &path, source))?;
    numbers.pop();
    Ok(Some(number))
}

/// Finds the newest segment's last record, cuts off what is behind it and makes the rest durable. If it was `full`, the
/// next one was being made and all of it had been synced: what is behind its last record is damage.
fn settle_tail(
    file: &Arc<dyn File>,
    header: Header,
    len: u64,
    full: bool,
    recovery: &mut Recovery,
) -> std::io::Result<Tail> {
    let mut scan = Scan::new(Arc::clone(file), header);
    let mut at = DATA_START;
    let mut next_seq = header.first_seq;
    loop {
        match scan.record_at(at, len, next_seq)? {
            Found::Record { frame, end } => {
                at = end;
                next_seq = frame.seq + 1;
            }
            Found::Nothing => {
                // Valid records behind invalid bytes: damage, or a torn group of which a later part was written. The
                // records are kept, as nothing tells for sure that they were not acknowledged.
                let Some(next) = scan.next_record(at, len, next_seq)? else { break };
                let Found::Record { frame, .. } = scan.record_at(next, len, next_seq)? else { break };
                recovery.corrupt.push(Damage {
                    segment: header.number,
                    offset: at,
                    bytes: next - at,
                    entries: Some(frame.seq - next_seq),
                    acknowledged: scan.group_starts_behind(next, len, next_seq)?,
                });
                next_seq = frame.seq;
                at = next;
            }
        }
    }
    let empty = len <= DATA_START;
    if at < len && full {
        let (segment, offset, bytes) = (header.number, at, len - at);
        recovery.corrupt.push(Damage { segment, offset, bytes, entries: None, acknowledged: true });
        next_seq += bytes / FRAME + 1;
        at = len;
    }
    if at < len {
        recovery.truncated_bytes = len - at;
        file.set_len(at)?;
    }
    // Also without a cut: a process may have died between writing and syncing.
    file.sync()?;
    Ok(Tail { len: at, next_seq, empty })
}
