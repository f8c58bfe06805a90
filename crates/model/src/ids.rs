//! Identities, each with one text form.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A cheap-to-clone text id with its own type, so that a source's id is never taken for a rule's.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn new(text: impl AsRef<str>) -> Self {
                Self(Arc::from(text.as_ref()))
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }
    };
}

text_id! {
    /// A configured source. The commands' own sources are `ingest` and `demo`.
    SourceId
}
text_id! {
    /// A detection's `RuleID`, `PolicyID` … of its YAML.
    DetectionId
}
text_id! {
    /// 32 hex digits, made of the detection, the dedup string and the window's start: a replay makes the same id.
    AlertId
}
text_id! {
    /// A configured destination.
    DestinationId
}
text_id! {
    /// A log type such as `AWS.CloudTrail`.
    LogType
}

impl LogType {
    /// The name of the log type's tables: lower case, dots as underscores.
    #[must_use]
    pub fn table_name(&self) -> String {
        self.as_str().to_lowercase().replace('.', "_")
    }
}

/// Names one sealed batch of records; a hash of its inputs, so that a replay after a crash makes the same one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchId([u8; 16]);

/// An event's identity (`p_row_id`): 32 hex digits of a blake3 over source, origin, ordinal and sub-ordinal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowId([u8; 16]);

impl BatchId {
    /// A batch is known by the source and the inputs it seals, e.g. `file:<hash>:<first record>` or `wal:<segment>:<offset>`.
    #[must_use]
    pub fn of(parts: &[&str]) -> Self {
        Self(hash16(parts.iter().map(|part| part.as_bytes())))
    }
}

impl RowId {
    /// `origin` is the origin's key (content hash, WAL segment and offset …), `record` counts the records of the
    /// origin from 0, `sub` the events of one record.
    #[must_use]
    pub fn of(source: &SourceId, origin: &str, record: u64, sub: u32) -> Self {
        let numbers = [&record.to_le_bytes()[..], &sub.to_le_bytes()[..]].concat();
        Self(hash16([source.as_str().as_bytes(), origin.as_bytes(), &numbers].into_iter()))
    }
}

impl RowId {
    /// Reads the text form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut id = [0; 16];
        let is_hex = text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        for (byte, pair) in id.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        is_hex.then_some(Self(id))
    }
}

fn hash16<'a>(parts: impl Iterator<Item = &'a [u8]>) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut id = [0; 16];
    id.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    id
}

macro_rules! hex_display {
    ($name:ident) => {
        impl $name {
            /// The text form, 32 hex digits, without an allocation.
            #[must_use]
            pub fn hex(&self) -> [u8; 32] {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                let mut text = [0; 32];
                for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
                    pair[0] = DIGITS[usize::from(byte >> 4)];
                    pair[1] = DIGITS[usize::from(byte & 15)];
                }
                text
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(std::str::from_utf8(&self.hex()).expect("hex digits are ASCII"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

hex_display!(BatchId);
hex_display!(RowId);

impl AlertId {
    /// The id of the alert that a window opens: detection, dedup string, kind and the window's start in microseconds.
    #[must_use]
    pub fn of(detection: &DetectionId, dedup: &str, kind: &str, window_start_micros: i64) -> Self {
        let id = hash16(
            [detection.as_str().as_bytes(), dedup.as_bytes(), kind.as_bytes(), &window_start_micros.to_le_bytes()]
                .into_iter(),
        );
        Self::new(BatchId(id).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_ids_differ_by_every_part() {
        let id = |s: &str, o: &str, r, n| RowId::of(&s.into(), o, r, n).to_string();
        let base = id("a", "b", 0, 0);
        assert_eq!(base.len(), 32);
        assert_eq!(base, id("a", "b", 0, 0));
        for other in [id("ab", "", 0, 0), id("a", "c", 0, 0), id("a", "b", 1, 0), id("a", "b", 0, 1)] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn table_names() {
        assert_eq!(LogType::from("AWS.CloudTrail").table_name(), "aws_cloudtrail");
    }
}
