//! One event under judgement: the document, and lookups by integer instead of text.
//!
//! The root's keys are entered into two tables once per event, by id and by lower-case id, since every rule asks the root
//! and most ask for what is not there. Nested objects are scanned. An object with a key that has no id (the interner is
//! bounded) is compared by text, as the Python classes do it.

use std::sync::Arc;

use uncia_document::{Document, Interner, KeyId, Value};

use crate::fault::Fault;
use crate::ir::Key;

/// The tables; one for each thread that judges.
pub struct Keys {
    interner: Arc<Interner>,
    /// Lower-case ids by id.
    folded: Vec<KeyId>,
    /// Per key id: the event that had it last, and the member's place there.
    exact: Vec<(u32, u32)>,
    /// Per lower-case id: the first such member.
    first: Vec<(u32, u32)>,
    epoch: u32,
}

impl Keys {
    #[must_use]
    pub fn new(interner: Arc<Interner>) -> Self {
        Self { interner, folded: Vec::new(), exact: Vec::new(), first: Vec::new(), epoch: 0 }
    }

    /// Enters an event. The document must come from a parser with the same interner, its root must be an object.
    pub fn enter<'a>(&'a mut self, document: &'a Document) -> Event<'a> {
        self.interner.folded_since(&mut self.folded);
        self.epoch = self.epoch.wrapping_add(1);
        if self.exact.len() < self.folded.len() || self.epoch == 0 {
            self.exact = vec![(0, 0); self.folded.len() + 64];
            self.first = self.exact.clone();
            self.epoch = 1;
        }
        let root = document.root().value();
        let mut has_strangers = false;
        for (place, member) in (0..).zip(document.members(root)) {
            let id = member.key.id;
            let Some(&folded) = self.folded.get(id.index()) else {
                has_strangers = true;
                continue;
            };
            self.exact[id.index()] = (self.epoch, place);
            match self.first.get_mut(folded.index()) {
                Some(first) if first.0 != self.epoch => *first = (self.epoch, place),
                Some(_) => {}
                // Its lower-case form did not fit into the interner.
                None => has_strangers = true,
            }
        }
        Event { document, root, keys: self, has_strangers }
    }
}

/// An event and how to look things up in it.
#[derive(Clone, Copy)]
pub struct Event<'a> {
    pub(crate) document: &'a Document,
    pub(crate) root: Value,
    keys: &'a Keys,
    /// The root has keys that the tables do not know.
    has_strangers: bool,
}

impl<'a> Event<'a> {
    /// A member by its exact key, else the first whose key is equal after `str.lower()`.
    #[inline]
    pub(crate) fn member(&self, object: Value, key: &Key) -> Option<Value> {
        if object == self.root && !self.has_strangers {
            return self.root_member(key);
        }
        let members = self.document.members(object);
        let mut strangers = false;
        for member in members {
            if member.key.id == key.id {
                return Some(member.value);
            }
            strangers |= member.key.id == KeyId::NONE;
        }
        if Fault::CaseSensitive.is_on() {
            return None;
        }
        if strangers || key.folded == KeyId::NONE {
            return self.member_by_text(object, &key.text);
        }
        let is_same = |id: KeyId| self.keys.folded.get(id.index()) == Some(&key.folded);
        members.iter().find(|member| is_same(member.key.id)).map(|member| member.value)
    }

    #[inline]
    fn root_member(&self, key: &Key) -> Option<Value> {
        let members = self.document.members(self.root);
        match self.keys.exact.get(key.id.index()) {
            Some(&(epoch, place)) if epoch == self.keys.epoch => return Some(members[place as usize].value),
            _ => {}
        }
        if Fault::CaseSensitive.is_on() {
            return None;
        }
        match self.keys.first.get(key.folded.index()) {
            Some(&(epoch, place)) if epoch == self.keys.epoch => Some(members[place as usize].value),
            _ => None,
        }
    }

    /// A member by its exact key only.
    #[inline]
    pub(crate) fn exact_member(&self, object: Value, key: &Key) -> Option<Value> {
        if object == self.root {
            let members = self.document.members(object);
            return match self.keys.exact.get(key.id.index()) {
                Some(&(epoch, place)) if epoch == self.keys.epoch => Some(members[place as usize].value),
                _ => None,
            };
        }
        self.document.members(object).iter().find(|member| member.key.id == key.id).map(|member| member.value)
    }

    /// As [`Self::member`], by a text that is no known key.
    pub(crate) fn member_by_text(&self, object: Value, key: &str) -> Option<Value> {
        let mut first = None;
        for member in self.document.members(object) {
            let name = self.document.key(member.key);
            if name == key {
                return Some(member.value);
            }
            if first.is_none() && equal_but_for_case(name, key) {
                first = Some(member.value);
            }
        }
        if Fault::CaseSensitive.is_on() { None } else { first }
    }

    pub(crate) fn exact_by_text(&self, object: Value, key: &str) -> Option<Value> {
        let members = self.document.members(object);
        members.iter().find(|member| self.document.key(member.key) == key).map(|member| member.value)
    }

    #[inline]
    pub(crate) fn text(&self, text: uncia_document::Text) -> &'a str {
        self.document.text(text)
    }
}

/// Equality after `str.lower()`.
fn equal_but_for_case(left: &str, right: &str) -> bool {
    if left.is_ascii() && right.is_ascii() {
        return left.eq_ignore_ascii_case(right);
    }
    left.to_lowercase() == right.to_lowercase()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uncia_document::Parser;

    use super::*;

    fn value_at(event: &Event<'_>, found: Option<Value>) -> Option<i64> {
        found.and_then(|value| event.document.at(value).as_i64())
    }

    proptest! {
        /// The tables and the plain scan over texts agree, at the root and below, whatever the keys.
        #[test]
        fn tables_agree_with_texts(keys in prop::collection::vec("[aAbBéÉ]{1,2}", 0..8), asked in "[aAbBéÉ]{1,2}") {
            let interner = Interner::new();
            let members: Vec<String> = keys.iter().enumerate().map(|(n, key)| format!("\"{key}\":{n}")).collect();
            let object = format!("{{{}}}", members.join(","));
            let json = format!("{{\"in\":{object},{}}}", object.trim_matches(['{', '}'])).replace(",}", "}");
            let document = Parser::new(Arc::clone(&interner)).parse(json.as_bytes()).unwrap();
            let key = Key::new(&asked, &interner);
            let mut tables = Keys::new(interner);
            for _ in 0..2 {
                let event = tables.enter(&document);
                let nested = document.root().get("in").unwrap().value();
                for object in [event.root, nested] {
                    let by_text = value_at(&event, event.member_by_text(object, &asked));
                    prop_assert_eq!(value_at(&event, event.member(object, &key)), by_text);
                    let exact = value_at(&event, event.exact_by_text(object, &asked));
                    prop_assert_eq!(value_at(&event, event.exact_member(object, &key)), exact);
                }
            }
        }
    }
}
