//! Names of fields that no schema knows: transliterated like all others, once per key.

use uncia_document::{Interner, KeyId};

use crate::schema::column_name;

/// Remembers what keys are called as columns.
#[derive(Default)]
pub(super) struct UnknownNames {
    known: Vec<Name>,
    texts: Vec<(KeyId, Box<str>)>,
}

#[derive(Clone, Copy)]
enum Name {
    Unseen,
    Same,
    /// Place in `texts`.
    Changed(u32),
}

impl UnknownNames {
    /// The column name of a key and its id, if it differs from the key.
    #[inline]
    pub(super) fn changed(&mut self, interner: &Interner, id: KeyId, key: &str) -> Option<(KeyId, Box<str>)> {
        if id != KeyId::NONE
            && let Some(Name::Same) = self.known.get(id.index())
        {
            return None;
        }
        self.look_up(interner, id, key)
    }

    fn look_up(&mut self, interner: &Interner, id: KeyId, key: &str) -> Option<(KeyId, Box<str>)> {
        if id == KeyId::NONE {
            let name = column_name(key);
            return (name != key).then(|| (interner.intern(&name), name.into()));
        }
        if self.known.len() <= id.index() {
            self.known.resize(id.index() + 1, Name::Unseen);
        }
        if let Name::Changed(place) = self.known[id.index()] {
            return Some(self.texts[place as usize].clone());
        }
        let name = column_name(key);
        if name == key {
            self.known[id.index()] = Name::Same;
            return None;
        }
        let entry = (interner.intern(&name), Box::from(&*name));
        self.known[id.index()] = Name::Changed(self.texts.len() as u32);
        self.texts.push(entry.clone());
        Some(entry)
    }
}
