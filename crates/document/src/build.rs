//! Writing into a document: new text, objects and arrays, always appended.
//!
//! A container's children must lie side by side, but nested containers are finished before their parents. So whoever
//! builds collects children on a [`Scratch`], marks where a container begins, and closes it with one copy.

use crate::{Document, Interner, Key, Member, Span, Text, Value};

/// The stack on which unfinished containers collect their children. Keep one and use it again.
#[derive(Default, Debug)]
pub struct Scratch {
    pub members: Vec<Member>,
    pub items: Vec<Value>,
}

/// How much a document held at a moment, so that a failed attempt to write can be taken back.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    text: usize,
    members: usize,
    items: usize,
}

impl Document {
    /// An empty document (its root is null) to build from nothing.
    #[must_use]
    pub fn new() -> Self {
        Self { text: String::new(), members: Vec::new(), items: Vec::new(), root: Value::Null }
    }

    /// Empties it; the memory stays.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.members.clear();
        self.items.clear();
        self.root = Value::Null;
    }

    pub fn set_root(&mut self, root: Value) {
        self.root = root;
    }

    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark { text: self.text.len(), members: self.members.len(), items: self.items.len() }
    }

    /// Takes back what was appended since; values made since then mean nothing any more.
    pub fn rewind(&mut self, mark: Mark) {
        self.text.truncate(mark.text);
        self.members.truncate(mark.members);
        self.items.truncate(mark.items);
    }

    /// Appends text; the piece can be used for any number of strings and keys.
    pub fn push_text(&mut self, text: &str) -> Text {
        let start = self.text.len();
        self.text.push_str(text);
        Text { start: start as u32, len: text.len() as u32 }
    }

    pub fn push_string(&mut self, text: &str) -> Value {
        Value::String(self.push_text(text))
    }

    /// Appends a number by its literal.
    pub fn push_number(&mut self, number: impl itoa::Integer) -> Value {
        let mut buffer = itoa::Buffer::new();
        Value::Number(self.push_text(buffer.format(number)))
    }

    /// A key for new members, interned.
    pub fn push_key(&mut self, interner: &Interner, key: &str) -> Key {
        Key { id: interner.intern(key), text: self.push_text(key) }
    }

    /// Makes an object of `scratch.members[from..]` and takes them off the scratch.
    pub fn close_object(&mut self, scratch: &mut Scratch, from: usize) -> Value {
        let start = self.members.len() as u32;
        // Copied as a block, which draining is not.
        self.members.extend_from_slice(&scratch.members[from..]);
        scratch.members.truncate(from);
        Value::Object(Span { start, len: self.members.len() as u32 - start })
    }

    /// Makes an array of `scratch.items[from..]` and takes them off the scratch.
    pub fn close_array(&mut self, scratch: &mut Scratch, from: usize) -> Value {
        let start = self.items.len() as u32;
        self.items.extend_from_slice(&scratch.items[from..]);
        scratch.items.truncate(from);
        Value::Array(Span { start, len: self.items.len() as u32 - start })
    }

    /// Copies a value of another document, deeply.
    pub fn import(&mut self, from: crate::Ref<'_>) -> Value {
        match from.value() {
            Value::Number(_) => Value::Number(self.push_text(from.literal().unwrap_or_default())),
            Value::String(_) => self.push_string(from.as_str().unwrap_or_default()),
            Value::Array(_) => {
                let items: Vec<Value> = from.items().map(|item| self.import(item)).collect();
                self.close_array(&mut Scratch { items, members: Vec::new() }, 0)
            }
            Value::Object(_) => {
                let mut members = Vec::new();
                for (key, value) in from.members() {
                    let text = self.push_text(key.1);
                    let value = self.import(value);
                    members.push(Member { key: Key { id: key.0, text }, value });
                }
                self.close_object(&mut Scratch { members, items: Vec::new() }, 0)
            }
            plain => plain,
        }
    }
}

impl Default for Document {
    fn default() -> Self {
        Self::new()
    }
}
