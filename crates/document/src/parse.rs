//! Bytes to document: strict JSON (RFC 8259), one value, one pass.
//!
//! Strings without escapes stay where they are in the record's bytes; the others are unescaped behind them. A lone
//! surrogate escape becomes U+FFFD, as no UTF-8 text can hold it. Keys are looked up by guessing first: records of one
//! kind repeat their keys in the same order, so the key that followed the last one last time is compared before
//! anything is hashed.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use ahash::AHashMap;

use crate::scan::special;
use crate::{Document, Interner, Key, KeyId, MAX_DEPTH, Member, Scratch, Text, Value};

/// Why bytes are not a JSON document, and at which byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError {
    pub kind: ParseErrorKind,
    /// Byte offset in the record.
    pub offset: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseErrorKind {
    InvalidUtf8,
    TooDeep,
    TooLarge,
    UnexpectedEnd,
    UnexpectedByte(u8),
    ControlCharacter(u8),
    InvalidEscape,
    InvalidNumber,
    TrailingBytes,
}

impl std::fmt::Display for ParseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind {
            ParseErrorKind::InvalidUtf8 => write!(f, "invalid UTF-8"),
            ParseErrorKind::TooDeep => write!(f, "nested deeper than {MAX_DEPTH} levels"),
            ParseErrorKind::TooLarge => write!(f, "longer than 4 GiB"),
            ParseErrorKind::UnexpectedEnd => write!(f, "unexpected end of input"),
            ParseErrorKind::UnexpectedByte(byte) => write!(f, "unexpected '{}'", byte.escape_ascii()),
            ParseErrorKind::ControlCharacter(byte) => write!(f, "unescaped control character 0x{byte:02x} in a string"),
            ParseErrorKind::InvalidEscape => write!(f, "invalid escape in a string"),
            ParseErrorKind::InvalidNumber => write!(f, "invalid number"),
            ParseErrorKind::TrailingBytes => write!(f, "more bytes after the value"),
        }?;
        write!(f, " at byte {}", self.offset)
    }
}

impl std::error::Error for ParseError {}

/// Parses records; keep one per thread, it remembers keys and re-uses its scratch space.
pub struct Parser {
    interner: Arc<Interner>,
    /// Where each key known to this parser stands in `slots`.
    known: AHashMap<Box<str>, u32>,
    /// Slot 0 stands for "the start of an object" and for keys not remembered.
    slots: Vec<Slot>,
    scratch: Scratch,
    /// Per key id: the object (epoch) that saw it last; finds duplicate keys in large objects.
    seen: Vec<u64>,
    epoch: u64,
    /// Of the last record: the next one is taken to be of its kind.
    last_members: usize,
    last_items: usize,
    spare: Vec<Document>,
}

struct Slot {
    key: Box<str>,
    id: KeyId,
    /// The slot of the key that followed this one the last time.
    next: u32,
    /// In a record the key looks as it is, without escapes.
    is_plain: bool,
}

/// Local key caches stop growing here; the interner is bounded anyway.
const MAX_LOCAL_KEYS: usize = 1 << 15;
/// What a parser keeps for later records: so many documents, none larger than this.
const MAX_SPARE: usize = 1024;
const MAX_SPARE_BYTES: usize = 64 * 1024;

impl Parser {
    #[must_use]
    pub fn new(interner: Arc<Interner>) -> Self {
        Self {
            interner,
            known: AHashMap::new(),
            slots: vec![Slot { key: "".into(), id: KeyId::NONE, next: 0, is_plain: false }],
            scratch: Scratch::default(),
            seen: Vec::new(),
            epoch: 0,
            last_members: 0,
            last_items: 0,
            spare: Vec::new(),
        }
    }

    #[must_use]
    pub fn interner(&self) -> &Arc<Interner> {
        &self.interner
    }

    /// Takes documents that nobody needs any more: their memory is the next records'.
    pub fn recycle(&mut self, documents: impl IntoIterator<Item = Document>) {
        let room = MAX_SPARE.saturating_sub(self.spare.len());
        let small = documents.into_iter().filter(|document| document.heap_bytes() <= MAX_SPARE_BYTES);
        self.spare.extend(small.take(room).map(|mut document| {
            document.clear();
            document
        }));
    }

    /// Parses exactly one JSON value, white space around it allowed.
    pub fn parse(&mut self, record: &[u8]) -> Result<Document, ParseError> {
        let text = std::str::from_utf8(record)
            .map_err(|e| ParseError { kind: ParseErrorKind::InvalidUtf8, offset: e.valid_up_to() })?;
        if record.len() >= (u32::MAX / 2) as usize {
            return Err(ParseError { kind: ParseErrorKind::TooLarge, offset: 0 });
        }
        // Room for what processing appends, so that the usual event is never moved: the root's members once more, and the
        // standard fields.
        let mut document = self.spare.pop().unwrap_or_default();
        document.text.reserve(record.len() + record.len() / 4 + 512);
        document.members.reserve(2 * self.last_members + 24);
        document.items.reserve(self.last_items + 8);
        document.text.push_str(text);
        let mut cursor = Cursor { parser: self, document: &mut document, bytes: record, at: 0 };
        cursor.blank();
        let root = cursor.value(0);
        let end = cursor.finish(&root);
        self.scratch.members.clear();
        self.scratch.items.clear();
        end?;
        document.root = root?;
        self.last_members = document.members.len();
        self.last_items = document.items.len();
        Ok(document)
    }
}

struct Cursor<'a> {
    parser: &'a mut Parser,
    document: &'a mut Document,
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn finish(&mut self, root: &Result<Value, ParseError>) -> Result<(), ParseError> {
        if root.is_ok() {
            self.blank();
            if self.at < self.bytes.len() {
                return Err(self.error(ParseErrorKind::TrailingBytes));
            }
        }
        Ok(())
    }

    fn error(&self, kind: ParseErrorKind) -> ParseError {
        ParseError { kind, offset: self.at }
    }

    fn unexpected(&self) -> ParseError {
        self.error(match self.bytes.get(self.at) {
            Some(&byte) => ParseErrorKind::UnexpectedByte(byte),
            None => ParseErrorKind::UnexpectedEnd,
        })
    }

    fn blank(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\n' | b'\t' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, ParseError> {
        match self.bytes.get(self.at) {
            Some(b'"') => self.string().map(Value::String),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word(b"true", Value::Bool(true)),
            Some(b'f') => self.word(b"false", Value::Bool(false)),
            Some(b'n') => self.word(b"null", Value::Null),
            _ => Err(self.unexpected()),
        }
    }

    fn word(&mut self, word: &[u8], value: Value) -> Result<Value, ParseError> {
        if self.bytes[self.at..].starts_with(word) {
            self.at += word.len();
            return Ok(value);
        }
        Err(self.unexpected())
    }

    fn number(&mut self) -> Result<Value, ParseError> {
        let start = self.at;
        let digits = |cursor: &mut Self| {
            let from = cursor.at;
            while matches!(cursor.bytes.get(cursor.at), Some(b'0'..=b'9')) {
                cursor.at += 1;
            }
            cursor.at > from
        };
        if self.bytes[self.at] == b'-' {
            self.at += 1;
        }
        let whole = self.at;
        let mut good = digits(self) && (self.bytes[whole] != b'0' || self.at == whole + 1);
        if good && self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            good = digits(self);
        }
        if good && matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            good = digits(self);
        }
        if !good {
            return Err(ParseError { kind: ParseErrorKind::InvalidNumber, offset: start });
        }
        Ok(Value::Number(Text { start: start as u32, len: (self.at - start) as u32 }))
    }

    fn array(&mut self, depth: usize) -> Result<Value, ParseError> {
        if depth >= MAX_DEPTH {
            return Err(self.error(ParseErrorKind::TooDeep));
        }
        self.at += 1;
        let from = self.parser.scratch.items.len();
        self.blank();
        if self.bytes.get(self.at) == Some(&b']') {
            self.at += 1;
            return Ok(self.document.close_array(&mut self.parser.scratch, from));
        }
        loop {
            self.blank();
            let item = self.value(depth + 1)?;
            self.parser.scratch.items.push(item);
            self.blank();
            match self.bytes.get(self.at) {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.unexpected()),
            }
        }
        self.at += 1;
        Ok(self.document.close_array(&mut self.parser.scratch, from))
    }

    fn object(&mut self, depth: usize) -> Result<Value, ParseError> {
        if depth >= MAX_DEPTH {
            return Err(self.error(ParseErrorKind::TooDeep));
        }
        self.at += 1;
        let from = self.parser.scratch.members.len();
        let mut slot = 0;
        self.blank();
        if self.bytes.get(self.at) == Some(&b'}') {
            self.at += 1;
            return Ok(self.document.close_object(&mut self.parser.scratch, from));
        }
        loop {
            self.blank();
            if self.bytes.get(self.at) != Some(&b'"') {
                return Err(self.unexpected());
            }
            let (text, id, next) = self.key(slot)?;
            slot = next;
            self.blank();
            if self.bytes.get(self.at) != Some(&b':') {
                return Err(self.unexpected());
            }
            self.at += 1;
            self.blank();
            let value = self.value(depth + 1)?;
            self.parser.scratch.members.push(Member { key: Key { id, text }, value });
            self.blank();
            match self.bytes.get(self.at) {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.unexpected()),
            }
        }
        self.at += 1;
        self.parser.merge_duplicates(self.document, from);
        Ok(self.document.close_object(&mut self.parser.scratch, from))
    }

    fn string(&mut self) -> Result<Text, ParseError> {
        let start = self.at + 1;
        self.at = special(self.bytes, start);
        match self.bytes.get(self.at) {
            Some(b'"') => {
                let text = Text { start: start as u32, len: (self.at - start) as u32 };
                self.at += 1;
                Ok(text)
            }
            Some(b'\\') => self.escaped(start),
            Some(&byte) => Err(self.error(ParseErrorKind::ControlCharacter(byte))),
            None => Err(self.error(ParseErrorKind::UnexpectedEnd)),
        }
    }

    /// A key, its id, and its slot, which the next key's guess starts from.
    fn key(&mut self, after: u32) -> Result<(Text, KeyId, u32), ParseError> {
        let start = self.at + 1;
        let guess = self.parser.slots[after as usize].next;
        let slot = &self.parser.slots[guess as usize];
        let end = start + slot.key.len();
        if slot.is_plain && self.bytes.get(end) == Some(&b'"') && self.bytes[start..end] == *slot.key.as_bytes() {
            self.at = end + 1;
            return Ok((Text { start: start as u32, len: slot.key.len() as u32 }, slot.id, guess));
        }
        let text = self.string()?;
        let (slot, id) = self.parser.key(self.document.text(text), after);
        Ok((text, id, slot))
    }

    /// A string with at least one escape: `self.at` is on the first backslash.
    fn escaped(&mut self, start: usize) -> Result<Text, ParseError> {
        let text_start = self.document.text.len();
        let mut done = start;
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    self.copy(done, self.at);
                    let unescaped = self.escape()?;
                    self.document.text.push(unescaped);
                    done = self.at;
                }
                Some(&byte) if byte < 0x20 => return Err(self.error(ParseErrorKind::ControlCharacter(byte))),
                Some(_) => self.at = special(self.bytes, self.at),
                None => return Err(self.error(ParseErrorKind::UnexpectedEnd)),
            }
        }
        self.copy(done, self.at);
        self.at += 1;
        Ok(Text { start: text_start as u32, len: (self.document.text.len() - text_start) as u32 })
    }

    fn copy(&mut self, from: usize, to: usize) {
        // The record is the head of the document's text; both ends lie beside ASCII bytes.
        self.document.text.extend_from_within(from..to);
    }

    fn escape(&mut self) -> Result<char, ParseError> {
        let plain = match self.bytes.get(self.at + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            Some(_) => return Err(self.error(ParseErrorKind::InvalidEscape)),
            None => return Err(self.error(ParseErrorKind::UnexpectedEnd)),
        };
        self.at += 2;
        Ok(plain)
    }

    fn unicode_escape(&mut self) -> Result<char, ParseError> {
        let first = self.hex4(self.at + 2)?;
        self.at += 6;
        if let 0xD800..0xDC00 = first
            && self.bytes.get(self.at) == Some(&b'\\')
            && self.bytes.get(self.at + 1) == Some(&b'u')
            && let Ok(second @ 0xDC00..0xE000) = self.hex4(self.at + 2)
        {
            self.at += 6;
            let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
            return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex4(&self, at: usize) -> Result<u32, ParseError> {
        let invalid = ParseError { kind: ParseErrorKind::InvalidEscape, offset: at };
        let digits = self.bytes.get(at..at + 4).ok_or(invalid)?;
        digits.iter().try_fold(0, |code, &digit| Some(code * 16 + char::from(digit).to_digit(16)?)).ok_or(invalid)
    }
}

impl Parser {
    /// The slot and id of a key that comes after the key in slot `after`.
    fn key(&mut self, text: &str, after: u32) -> (u32, KeyId) {
        let slot = match self.known.get(text) {
            Some(&slot) => slot,
            None => {
                let id = self.interner.intern(text);
                if id == KeyId::NONE || self.known.len() >= MAX_LOCAL_KEYS {
                    return (0, id);
                }
                let slot = self.slots.len() as u32;
                let is_plain = special(text.as_bytes(), 0) == text.len();
                self.slots.push(Slot { key: text.into(), id, next: 0, is_plain });
                self.known.insert(text.into(), slot);
                slot
            }
        };
        self.slots[after as usize].next = slot;
        (slot, self.slots[slot as usize].id)
    }

    /// Of duplicate keys the last value wins, at the place of the first.
    fn merge_duplicates(&mut self, document: &Document, from: usize) {
        if !self.may_have_duplicates(document, from) {
            return;
        }
        let members = &mut self.scratch.members;
        let mut places: AHashMap<&str, usize> = AHashMap::new();
        let mut kept = from;
        for at in from..members.len() {
            let member = members[at];
            match places.entry(document.key(member.key)) {
                Entry::Occupied(earlier) => members[*earlier.get()].value = member.value,
                Entry::Vacant(free) => {
                    free.insert(kept);
                    members[kept] = member;
                    kept += 1;
                }
            }
        }
        members.truncate(kept);
    }

    /// Cheap for the usual object. Of many keys without ids it says yes unseen: comparing them pairwise would let a
    /// hostile record take minutes.
    fn may_have_duplicates(&mut self, document: &Document, from: usize) -> bool {
        const FEW: usize = 16;
        self.epoch += 1;
        let members = &self.scratch.members[from..];
        for (place, member) in members.iter().enumerate() {
            let id = member.key.id;
            if id == KeyId::NONE {
                let text = document.key(member.key);
                let is_same = |other: &Member| other.key.id == id && document.key(other.key) == text;
                if place > FEW || members[..place].iter().any(is_same) {
                    return true;
                }
                continue;
            }
            if self.seen.len() <= id.index() {
                self.seen.resize(id.index() + 1, 0);
            }
            if std::mem::replace(&mut self.seen[id.index()], self.epoch) == self.epoch {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(record: &str) -> Result<Document, ParseError> {
        Parser::new(Interner::new()).parse(record.as_bytes())
    }

    #[test]
    fn what_json_cannot_lose() {
        for (record, written) in [
            (
                r#" {"a" : 1e400, "b":12345678901234567890, "c":-0.0} "#,
                r#"{"a":1e400,"b":12345678901234567890,"c":-0.0}"#,
            ),
            (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
            (r#"{"":[[],{},null,true,false,"x"]}"#, r#"{"":[[],{},null,true,false,"x"]}"#),
            (r#""a\u00e9\ud83d\ude00\n\"\/""#, r#""aé😀\n\"/""#),
            (r#""\ud800x\u0001""#, "\"\u{fffd}x\\u0001\""),
        ] {
            assert_eq!(parse(record).unwrap().to_json(), written, "{record}");
        }
    }

    #[test]
    fn duplicates_of_keys_that_are_not_interned() {
        let long = "k".repeat(500);
        let document = parse(&format!(r#"{{"{long}":1,"b":2,"{long}":3}}"#)).unwrap();
        assert_eq!(document.to_json(), format!(r#"{{"{long}":3,"b":2}}"#));
    }

    #[test]
    fn hostile_keys_cost_no_more_than_others() {
        // More keys than the interner takes, and one of them twice.
        let members: String = (0..150_000).map(|n| format!("\"{n:x}\":{n},")).collect();
        let mut parser = Parser::new(Interner::new());
        for _ in 0..2 {
            let document = parser.parse(format!("{{{members}\"1ffff\":true}}").as_bytes()).unwrap();
            assert_eq!(document.root().members().len(), 150_000);
            assert_eq!(document.root().get("1ffff").unwrap().as_bool(), Some(true));
        }
    }

    #[test]
    fn keys_that_need_escapes_are_not_guessed() {
        let mut parser = Parser::new(Interner::new());
        for record in [r#"{"a\\":1}"#, r#"{"a\\":2}"#, r#"{"a\\\"b":3}"#, r#"{"a\"b":4}"#, r#"{"ab":5}"#] {
            assert_eq!(parser.parse(record.as_bytes()).unwrap().to_json(), record);
        }
    }

    #[test]
    fn errors_say_what_and_where() {
        for (record, message) in [
            ("", "unexpected end of input at byte 0"),
            (r#"{"a":1,}"#, "unexpected '}' at byte 7"),
            (r#"{"a" 1}"#, "unexpected '1' at byte 5"),
            ("[1 2]", "unexpected '2' at byte 3"),
            ("01", "invalid number at byte 0"),
            ("1.", "invalid number at byte 0"),
            ("tru", "unexpected 't' at byte 0"),
            ("{} {}", "more bytes after the value at byte 3"),
            ("\"a\nb\"", "unescaped control character 0x0a in a string at byte 2"),
            (r#""\x""#, "invalid escape in a string at byte 1"),
            (r#""\u12"#, "invalid escape in a string at byte 3"),
        ] {
            assert_eq!(parse(record).unwrap_err().to_string(), message, "{record}");
        }
        let error = Parser::new(Interner::new()).parse(b"\"\xff\"").unwrap_err();
        assert_eq!(error.to_string(), "invalid UTF-8 at byte 1");
        let deep = "[".repeat(MAX_DEPTH + 1);
        assert_eq!(parse(&deep).unwrap_err().kind, ParseErrorKind::TooDeep);
    }

    #[test]
    fn one_parser_for_many_records() {
        let mut parser = Parser::new(Interner::new());
        for record in [r#"{"a":{"x":1},"b":2}"#, r#"{"a":{"x":1},"c":2}"#, r#"{"b":"#, r#"{"a":{"x":1},"b":2}"#] {
            match parser.parse(record.as_bytes()) {
                Ok(document) => assert_eq!(document.to_json(), record),
                Err(error) => assert_eq!(error.kind, ParseErrorKind::UnexpectedEnd),
            }
        }
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::Array),
                prop::collection::btree_map("[a-e\\PC]{0,3}", inner, 0..6)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json(value in json(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            let document = parse(&text).unwrap();
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&document.to_json()).unwrap(), value);
        }

        #[test]
        fn any_bytes_agree_with_serde_json_on_validity(text in r#"[\[\]{}",:0-9eE.truefalsn\\ -]{0,24}"#) {
            let ours = parse(&text).is_ok();
            let theirs = serde_json::from_str::<serde_json::Value>(&text).is_ok();
            prop_assert_eq!(ours, theirs, "{}", text);
        }
    }
}
