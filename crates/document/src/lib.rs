//! The interned JSON document: what a record becomes once, and what every later stage of the walk reads.
//!
//! A [`Document`] owns one text buffer (the record's bytes, then whatever was unescaped or made later) and two flat
//! arrays: object members and array items. A [`Value`] is 12 bytes and copied freely; containers are ranges into these
//! arrays, so a parse makes three allocations however deep the record is. Number literals keep their text (`1e400`
//! and 20-digit ids survive), key order is the record's, and of duplicate keys the last value wins at the place of the
//! first. Keys carry a process-wide [`KeyId`], so that schemas, rules and the lake compare integers and not strings.
//!
//! Editing is appending: processing writes the normal form of an event behind the parsed one, in the same document,
//! and sets the new root. Strings that do not change are never copied.
//!
//! Deliberately absent: IO, serde, any notion of a schema or of the product's fields.

mod build;
mod intern;
mod parse;
mod read;
mod scan;
mod timestamp;
mod write;

pub use build::{Mark, Scratch};
pub use intern::{Interner, KeyId};
pub use parse::{ParseError, ParseErrorKind, Parser};
pub use read::Ref;
pub use timestamp::Timestamp;
pub use write::write_key;

/// Objects and arrays may nest this deep; what is deeper is refused, so that no stage needs to fear recursion.
pub const MAX_DEPTH: usize = 128;

/// A piece of the document's text buffer: byte offset and length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Text {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

impl Text {
    /// Bytes of the text.
    #[must_use]
    pub const fn len(self) -> usize {
        self.len as usize
    }

    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }

    /// A piece of this text, by byte offsets within it, which must lie on character boundaries.
    #[must_use]
    pub const fn slice(self, from: usize, to: usize) -> Self {
        assert!(from <= to && to <= self.len as usize, "a piece lies within its text");
        Self { start: self.start + from as u32, len: (to - from) as u32 }
    }
}

/// A run of members (object) or items (array) in the document's flat arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

/// One JSON value, 12 bytes, meaningful only together with its document.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    /// A number literal, exactly as written.
    Number(Text),
    /// A string, unescaped.
    String(Text),
    /// An instant. Only processing makes these; JSON shows `YYYY-MM-DD HH:MM:SS.fffffffff`, UTC.
    Timestamp(Timestamp),
    Array(Span),
    /// An empty array where the schema has an array: the lake keeps an empty list, the normal form leaves it out.
    EmptyArray,
    Object(Span),
}

/// An object's key: its text and, unless the interner was full, its process-wide id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    pub id: KeyId,
    pub text: Text,
}

/// One key-value pair of an object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Member {
    pub key: Key,
    pub value: Value,
}

/// A JSON document; see the crate's header.
#[derive(Clone, Debug)]
pub struct Document {
    pub(crate) text: String,
    pub(crate) members: Vec<Member>,
    pub(crate) items: Vec<Value>,
    pub(crate) root: Value,
}

const _: () = assert!(size_of::<Value>() == 12);
