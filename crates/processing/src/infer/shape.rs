//! What values have been at one place: kinds and counts, no values. Shapes merge, so threads can learn apart.

use ahash::AHashMap;
use uncia_document::{Ref, Value};

use super::times::Times;
use super::words::{Numbers, Texts};

/// Objects with more members than this are maps with data for keys.
pub(crate) const MAX_MEMBERS: usize = 200;
/// A key longer than this is data.
const MAX_KEY_BYTES: usize = 200;
/// Values nested deeper than this are not looked into.
const MAX_LEVELS: usize = 32;

/// How many places may still be told apart: hostile samples must not fill the memory.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    places: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { places: 100_000 }
    }
}

/// What values have been at one place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    /// Values that were not null.
    pub(crate) seen: u64,
    pub(crate) booleans: bool,
    pub(crate) numbers: Numbers,
    pub(crate) texts: Texts,
    pub(crate) times: Times,
    pub(crate) items: Option<Box<Self>>,
    pub(crate) object: Option<Box<ObjectShape>>,
    /// Values of several kinds, or more of them than can be told apart.
    pub(crate) is_mixed: bool,
}

/// What objects have been at one place.
#[derive(Clone, Debug, Default)]
pub(crate) struct ObjectShape {
    pub(crate) seen: u64,
    pub(crate) members: AHashMap<Box<str>, Shape>,
}

impl Shape {
    /// Learns from a record. The root stays an object whatever it holds: its members are columns.
    pub(crate) fn add_root(&mut self, record: Ref<'_>, budget: &mut Budget) {
        let object = self.object.get_or_insert_default();
        object.seen += 1;
        for ((_, key), value) in record.members() {
            if let Some(shape) = object.member(key, value, budget) {
                shape.add(value, key, 1, budget);
            }
        }
    }

    pub(crate) fn add_row<'a>(&mut self, cells: impl Iterator<Item = (&'a str, &'a str)>, budget: &mut Budget) {
        let object = self.object.get_or_insert_default();
        object.seen += 1;
        for (name, cell) in cells.filter(|(name, cell)| !name.is_empty() && !cell.is_empty()) {
            if !object.members.contains_key(name) {
                if budget.places == 0 {
                    continue;
                }
                budget.places -= 1;
            }
            let shape = object.members.entry(name.into()).or_default();
            shape.seen += 1;
            shape.add_text(cell, name);
        }
    }

    pub(crate) fn add(&mut self, value: Ref<'_>, key: &str, level: usize, budget: &mut Budget) {
        if value.is_null() {
            return;
        }
        self.seen += 1;
        if self.is_mixed {
            return;
        }
        if level > MAX_LEVELS {
            return self.mix();
        }
        match value.value() {
            Value::Null => {}
            Value::Bool(_) => {
                self.booleans = true;
                self.times.exclude();
            }
            Value::Object(_) => self.add_object(value, level, budget),
            Value::Array(_) | Value::EmptyArray => {
                let items = self.items.get_or_insert_default();
                for item in value.items() {
                    items.add(item, key, level + 1, budget);
                }
            }
            Value::Number(_) => {
                let literal = value.literal().unwrap_or_default();
                self.numbers.add(literal);
                self.times.add_number(key, literal);
            }
            Value::String(_) | Value::Timestamp(_) => {
                let text = value.as_str().unwrap_or_default();
                self.add_text(text, key);
            }
        }
        let is_scalar = self.booleans || self.numbers.any() || self.texts.any();
        let kinds = u8::from(is_scalar) + u8::from(self.items.is_some()) + u8::from(self.object.is_some());
        if kinds > 1 {
            self.mix();
        }
    }

    fn add_text(&mut self, text: &str, key: &str) {
        self.texts.add(text);
        self.times.add_text(key, text);
    }

    fn add_object(&mut self, value: Ref<'_>, level: usize, budget: &mut Budget) {
        let object = self.object.get_or_insert_default();
        object.seen += 1;
        for ((_, key), member) in value.members() {
            let Some(shape) = object.member(key, member, budget) else { return self.mix() };
            shape.add(member, key, level + 1, budget);
        }
        if object.members.len() > MAX_MEMBERS {
            self.mix();
        }
    }

    /// Gives up telling kinds apart, and frees what was learnt.
    pub(crate) fn mix(&mut self) {
        *self = Self { seen: self.seen, is_mixed: true, ..Self::default() };
    }

    /// Adds what another shape learnt of the same place.
    pub(crate) fn merge(&mut self, other: Self) {
        self.seen += other.seen;
        if self.is_mixed || other.is_mixed {
            return self.mix();
        }
        self.booleans |= other.booleans;
        self.numbers.merge(&other.numbers);
        self.texts.merge(&other.texts);
        self.times.merge(other.times);
        match (&mut self.items, other.items) {
            (Some(items), Some(more)) => items.merge(*more),
            (items @ None, more) => *items = more,
            (Some(_), None) => {}
        }
        match (&mut self.object, other.object) {
            (Some(object), Some(more)) => {
                object.seen += more.seen;
                for (key, shape) in more.members {
                    object.members.entry(key).or_default().merge(shape);
                }
                if object.members.len() > MAX_MEMBERS {
                    self.mix();
                }
            }
            (object @ None, more) => *object = more,
            (Some(_), None) => {}
        }
        let is_scalar = self.booleans || self.numbers.any() || self.texts.any();
        if u8::from(is_scalar) + u8::from(self.items.is_some()) + u8::from(self.object.is_some()) > 1 {
            self.mix();
        }
    }
}

impl ObjectShape {
    /// The shape of a member; `None` if no more can be told apart.
    fn member(&mut self, key: &str, value: Ref<'_>, budget: &mut Budget) -> Option<&mut Shape> {
        if !self.members.contains_key(key) {
            if value.is_null() {
                // Nothing is learnt from it; the entry says that the key was there.
                budget.places = budget.places.saturating_sub(1);
            }
            if budget.places == 0 || key.len() > MAX_KEY_BYTES {
                return None;
            }
            budget.places -= 1;
            self.members.insert(key.into(), Shape::default());
        }
        self.members.get_mut(key)
    }
}
