//! What a text parser found: names and values, as pieces of the record wherever they stand in it as they are, so that
//! the usual value is never copied on its own.

use ahash::AHashMap;
use uncia_document::{Document, Interner, Key, KeyId, Member, Scratch, Value};

/// Beyond this many pairs, doubles are found by hash and not by looking through them.
const FEW: usize = 48;

/// The pairs of the record in work. Keep one and use it again.
#[derive(Default, Debug)]
pub(crate) struct Pairs {
    pairs: Vec<Pair>,
    /// Text that does not stand in the record as it is.
    spare: String,
    /// Items of the values that are lists.
    items: Vec<Piece>,
}

#[derive(Clone, Copy, Debug)]
struct Pair {
    name: Piece,
    value: Piece,
    /// The value is these of the items, and not a text.
    list: Option<(u32, u32)>,
}

/// Where a text stands; offsets are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Line(u32, u32),
    Spare(u32, u32),
    /// A place in the parser's or the header's columns.
    Column(u16),
}

impl Pairs {
    pub(crate) fn clear(&mut self) {
        self.pairs.clear();
        self.spare.clear();
        self.items.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.pairs.len()
    }

    pub(crate) fn push(&mut self, name: Piece, value: Piece) {
        self.pairs.push(Pair { name, value, list: None });
    }

    /// A value that is a list of texts.
    pub(super) fn push_list(&mut self, name: Piece, items: Vec<Piece>) {
        let from = self.items.len() as u32;
        self.items.extend(items);
        let list = Some((from, self.items.len() as u32));
        self.pairs.push(Pair { name, value: Piece::Line(0, 0), list });
    }

    /// Keeps text that a parser made, by what `write` appends.
    pub(crate) fn spare(&mut self, write: impl FnOnce(&mut String)) -> Piece {
        let from = self.spare.len() as u32;
        write(&mut self.spare);
        Piece::Spare(from, self.spare.len() as u32)
    }

    pub(crate) fn text<'a>(&'a self, piece: Piece, line: &'a str, columns: &'a [Box<str>]) -> &'a str {
        match piece {
            Piece::Line(from, to) => &line[from as usize..to as usize],
            Piece::Spare(from, to) => &self.spare[from as usize..to as usize],
            Piece::Column(place) => columns.get(usize::from(place)).map_or("", |name| name),
        }
    }

    pub(crate) fn values<'a>(&'a self, line: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().map(move |pair| self.text(pair.value, line, &[]))
    }

    /// The last value of that name.
    pub(crate) fn find<'a>(&'a self, name: &str, line: &'a str, columns: &'a [Box<str>]) -> Option<&'a str> {
        let pair = self.pairs.iter().rev().find(|pair| self.text(pair.name, line, columns) == name)?;
        Some(self.text(pair.value, line, columns))
    }

    /// Trims every value.
    pub(crate) fn trim(&mut self, line: &str) {
        for place in 0..self.pairs.len() {
            let value = self.pairs[place].value;
            let text = self.text(value, line, &[]);
            let from = (text.len() - text.trim_start().len()) as u32;
            let len = text.trim().len() as u32;
            self.pairs[place].value = match value {
                Piece::Line(start, _) => Piece::Line(start + from, start + from + len),
                Piece::Spare(start, _) => Piece::Spare(start + from, start + from + len),
                column @ Piece::Column(_) => column,
            };
        }
    }

    /// Drops the pairs whose value is not wanted.
    pub(crate) fn retain(&mut self, line: &str, is_wanted: impl Fn(&str) -> bool) {
        let mut pairs = std::mem::take(&mut self.pairs);
        pairs.retain(|pair| pair.list.is_some() || is_wanted(self.text(pair.value, line, &[])));
        self.pairs = pairs;
    }

    /// The pairs as a document: an object of strings. Of equal names the last value wins, at the place of the first.
    pub(crate) fn document(&self, line: &str, columns: &[Box<str>], ids: &[KeyId], work: Work<'_>) -> Document {
        let Work { interner, scratch } = work;
        let mut document = Document::new();
        let whole = document.push_text(line);
        let spare = document.push_text(&self.spare);
        let mut places: AHashMap<&str, usize> = AHashMap::new();
        for pair in &self.pairs {
            let name = self.text(pair.name, line, columns);
            let mut place = |piece: Piece| match piece {
                Piece::Line(from, to) => whole.slice(from as usize, to as usize),
                Piece::Spare(from, to) => spare.slice(from as usize, to as usize),
                Piece::Column(_) => document.push_text(self.text(piece, line, columns)),
            };
            let value = match pair.list {
                None => Value::String(place(pair.value)),
                Some((from, to)) => {
                    let items = &self.items[from as usize..to as usize];
                    let items: Vec<Value> = items.iter().map(|&item| Value::String(place(item))).collect();
                    scratch.items.extend(items);
                    document.close_array(scratch, 0)
                }
            };
            let earlier = if self.pairs.len() > FEW {
                let next = scratch.members.len();
                let place = *places.entry(name).or_insert(next);
                (place < next).then_some(place)
            } else {
                scratch.members.iter().position(|member| document.key(member.key) == name)
            };
            if let Some(place) = earlier {
                scratch.members[place].value = value;
                continue;
            }
            let (id, text) = match pair.name {
                Piece::Line(from, to) => (interner.intern(name), whole.slice(from as usize, to as usize)),
                Piece::Spare(from, to) => (interner.intern(name), spare.slice(from as usize, to as usize)),
                Piece::Column(place) => {
                    let id = ids.get(usize::from(place)).copied().unwrap_or(KeyId::NONE);
                    (id, document.push_text(name))
                }
            };
            scratch.members.push(Member { key: Key { id, text }, value });
        }
        let root = document.close_object(scratch, 0);
        document.set_root(root);
        document
    }
}

/// What a document is made with; the scratch is empty before and after.
pub(crate) struct Work<'a> {
    pub(crate) interner: &'a Interner,
    pub(crate) scratch: &'a mut Scratch,
}
