//! Reading a document: a value together with the document that gives it meaning.

use crate::{Document, Key, KeyId, Member, Text, Timestamp, Value};

/// A value and its document.
#[derive(Clone, Copy)]
pub struct Ref<'a> {
    document: &'a Document,
    value: Value,
}

impl Document {
    #[must_use]
    pub fn root(&self) -> Ref<'_> {
        self.at(self.root)
    }

    /// Reads any value that belongs to this document.
    #[must_use]
    pub fn at(&self, value: Value) -> Ref<'_> {
        Ref { document: self, value }
    }

    #[must_use]
    pub fn text(&self, text: Text) -> &str {
        &self.text[text.start as usize..(text.start + text.len) as usize]
    }

    /// The members of an object; empty for anything else.
    #[must_use]
    pub fn members(&self, value: Value) -> &[Member] {
        match value {
            Value::Object(span) => &self.members[span.start as usize..(span.start + span.len) as usize],
            _ => &[],
        }
    }

    /// The items of an array; empty for anything else.
    #[must_use]
    pub fn items(&self, value: Value) -> &[Value] {
        match value {
            Value::Array(span) => &self.items[span.start as usize..(span.start + span.len) as usize],
            _ => &[],
        }
    }

    #[must_use]
    pub fn key(&self, key: Key) -> &str {
        self.text(key.text)
    }

    /// Whether all text of the document, keys included, is ASCII.
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        self.text.is_ascii()
    }

    /// Bytes held, for memory accounts.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.text.capacity()
            + self.members.capacity() * size_of::<Member>()
            + self.items.capacity() * size_of::<Value>()
    }
}

impl<'a> Ref<'a> {
    #[must_use]
    pub fn value(self) -> Value {
        self.value
    }

    #[must_use]
    pub fn document(self) -> &'a Document {
        self.document
    }

    /// An object's member by exact key.
    #[must_use]
    pub fn get(self, key: &str) -> Option<Ref<'a>> {
        let member = self.document.members(self.value).iter().find(|m| self.document.text(m.key.text) == key)?;
        Some(self.document.at(member.value))
    }

    /// A nested member by exact keys; does not enter arrays.
    #[must_use]
    pub fn path(self, keys: &[&str]) -> Option<Ref<'a>> {
        keys.iter().try_fold(self, |value, key| value.get(key))
    }

    /// An object's members, ids and texts of the keys, in document order.
    pub fn members(self) -> impl ExactSizeIterator<Item = ((KeyId, &'a str), Ref<'a>)> {
        let document = self.document;
        document.members(self.value).iter().map(move |m| ((m.key.id, document.text(m.key.text)), document.at(m.value)))
    }

    /// An array's items.
    pub fn items(self) -> impl ExactSizeIterator<Item = Ref<'a>> {
        let document = self.document;
        document.items(self.value).iter().map(move |&value| document.at(value))
    }

    /// A string's text.
    #[must_use]
    pub fn as_str(self) -> Option<&'a str> {
        match self.value {
            Value::String(text) => Some(self.document.text(text)),
            _ => None,
        }
    }

    /// A number's literal, as written.
    #[must_use]
    pub fn literal(self) -> Option<&'a str> {
        match self.value {
            Value::Number(text) => Some(self.document.text(text)),
            _ => None,
        }
    }

    /// A number that is an integer literal within `i64`.
    #[must_use]
    pub fn as_i64(self) -> Option<i64> {
        self.literal()?.parse().ok()
    }

    #[must_use]
    pub fn as_f64(self) -> Option<f64> {
        self.literal()?.parse().ok()
    }

    #[must_use]
    pub fn as_bool(self) -> Option<bool> {
        match self.value {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    #[must_use]
    pub fn as_timestamp(self) -> Option<Timestamp> {
        match self.value {
            Value::Timestamp(stamp) => Some(stamp),
            _ => None,
        }
    }

    #[must_use]
    pub fn is_null(self) -> bool {
        self.value == Value::Null
    }

    #[must_use]
    pub fn is_object(self) -> bool {
        matches!(self.value, Value::Object(_))
    }

    #[must_use]
    pub fn is_array(self) -> bool {
        matches!(self.value, Value::Array(_) | Value::EmptyArray)
    }
}
