//! Reading entries, while others are appended.

use std::sync::Arc;

use bytes::Bytes;

use crate::log::{Position, Shared, Stored};
use crate::segment::{self, DATA_START, Found, Scan};
use crate::{Damage, WalError};

/// An entry as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub position: Position,
    /// Where to go on reading, and what to note when the entry is done with.
    pub next: Position,
    pub bytes: Bytes,
}

/// The segment behind the one that is read.
#[derive(Clone, Copy)]
struct Following {
    number: u64,
    /// `None` if its header is lost.
    first_seq: Option<u64>,
}

/// Reads entries in order up to the synced end. It then says `None`, and goes on when more was appended.
///
/// [`WalError::Damaged`] is said once for each stretch of damage; the entries behind it follow. After any other error
/// the same place is tried again.
pub struct Reader {
    shared: Arc<Shared>,
    position: Position,
    /// The next entry's sequence number, once it is known.
    expected: Option<u64>,
    scan: Option<(u64, Scan)>,
}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>, position: Position) -> Self {
        Self { shared, position, expected: None, scan: None }
    }

    /// Where reading goes on: behind the entries and the damage said so far.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    fn read(&mut self) -> Result<Option<Entry>, WalError> {
        loop {
            let synced = *self.shared.synced.borrow();
            let Some((number, stored, following)) = self.segment() else { return Ok(None) };
            if number > self.position.segment {
                self.position = Position::new(number, DATA_START);
                if let Some(damage) = self.expect(number, stored) {
                    return Err(WalError::Damaged(damage));
                }
            }
            let limit = if number == synced.segment { synced.offset } else { stored.len };
            self.position.offset = self.position.offset.max(DATA_START);
            if self.position.offset >= limit {
                if number >= synced.segment {
                    return Ok(None);
                }
                let Some(following) = following else { return Ok(None) };
                if let Some(damage) = self.leave(number, limit, following) {
                    return Err(WalError::Damaged(damage));
                }
                continue;
            }
            let Some(header) = stored.header else {
                let damage = Damage { segment: number, offset: 0, bytes: limit, entries: None, acknowledged: true };
                self.expected = None;
                self.position = Position::new(number + 1, DATA_START);
                return Err(WalError::Damaged(damage));
            };
            return self.read_in(number, header, limit, following.and_then(|following| following.first_seq)).map(Some);
        }
    }

    /// The segment at or behind the position, and the one that follows it.
    fn segment(&self) -> Option<(u64, Stored, Option<Following>)> {
        let segments = self.shared.segments();
        let mut rest = segments.range(self.position.segment..);
        let (number, stored) = rest.next()?;
        let following = rest.next().map(|(number, stored)| Following {
            number: *number,
            first_seq: stored.header.map(|header| header.first_seq),
        });
        Some((*number, *stored, following))
    }

    /// Enters a segment: its header says which entry is its first.
    fn expect(&mut self, number: u64, stored: Stored) -> Option<Damage> {
        let header = stored.header?;
        let expected = self.expected.replace(header.first_seq);
        let missing = header.first_seq.saturating_sub(expected?);
        let (segment, offset) = (number, 0);
        (missing > 0).then_some(Damage { segment, offset, bytes: 0, entries: Some(missing), acknowledged: true })
    }

    /// Leaves a segment that is read to its end for the next one. Entries that are missing there were cut off here.
    fn leave(&mut self, number: u64, limit: u64, following: Following) -> Option<Damage> {
        let first_seq = following.first_seq;
        self.position = Position::new(following.number, DATA_START);
        let expected = std::mem::replace(&mut self.expected, first_seq)?;
        let missing = first_seq?.saturating_sub(expected);
        let (segment, offset) = (number, limit);
        (missing > 0).then_some(Damage { segment, offset, bytes: 0, entries: Some(missing), acknowledged: true })
    }

    fn read_in(
        &mut self,
        number: u64,
        header: segment::Header,
        limit: u64,
        following_seq: Option<u64>,
    ) -> Result<Entry, WalError> {
        let path = segment::path(&self.shared.dir, number);
        let failed = |source| WalError::io("read", &path, source);
        let mut scan = match self.scan.take() {
            Some((open, scan)) if open == number => scan,
            _ => Scan::new(self.shared.fs.open(&path).map_err(failed)?, header),
        };
        let at = self.position.offset;
        if at == DATA_START {
            self.expected = Some(header.first_seq);
        }
        let lowest = self.expected.unwrap_or(header.first_seq);
        let found = scan.record_at(at, limit, lowest).map_err(failed)?;
        if let Found::Record { frame, end } = found
            && self.expected.is_none_or(|expected| expected == frame.seq)
        {
            let bytes = scan.bytes(at, frame, limit).map_err(failed)?;
            self.scan = Some((number, scan));
            self.expected = Some(frame.seq + 1);
            self.position = Position::new(number, end);
            return Ok(Entry { position: Position::new(number, at), next: self.position, bytes });
        }

        let next = match found {
            Found::Record { .. } => Some(at),
            Found::Nothing => scan.next_record(at, limit, lowest).map_err(failed)?,
        };
        let mut damage = Damage {
            segment: number,
            offset: at,
            bytes: next.unwrap_or(limit) - at,
            entries: None,
            // What is behind the last record of a segment that was left was synced when the next one was begun.
            acknowledged: true,
        };
        let mut next_seq = following_seq;
        if let Some(next) = next {
            if let Found::Record { frame, .. } = scan.record_at(next, limit, lowest).map_err(failed)? {
                next_seq = Some(frame.seq);
            }
            damage.acknowledged = scan.group_starts_behind(next, limit, lowest).map_err(failed)?;
        }
        damage.entries = self.expected.zip(next_seq).map(|(expected, next)| next.saturating_sub(expected));
        self.expected = next_seq;
        self.position = Position::new(number, next.unwrap_or(limit));
        self.scan = Some((number, scan));
        Err(WalError::Damaged(damage))
    }
}

impl Iterator for Reader {
    type Item = Result<Entry, WalError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}
