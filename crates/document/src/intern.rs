//! Process-wide key ids, bounded: log data is hostile, and a sender that invents keys must not eat our memory.
//!
//! When the table is full, or a key is long, the id is [`KeyId::NONE`] and readers compare the text. So an id is only
//! ever a faster answer, never the only one.

use std::sync::{Arc, RwLock};

use ahash::AHashMap;

/// Keys beyond this many share [`KeyId::NONE`]; about 8 MiB with the texts.
const MAX_KEYS: usize = 1 << 16;
/// Longer keys are not interned.
const MAX_KEY_BYTES: usize = 128;

/// A key's number in the process's [`Interner`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub(crate) u32);

impl KeyId {
    /// The key is not interned: compare its text.
    pub const NONE: Self = Self(u32::MAX);

    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Gives keys their ids. Shared by all parsers of a process, which keep caches of their own in front of it.
#[derive(Default)]
pub struct Interner {
    table: RwLock<Table>,
}

#[derive(Default)]
struct Table {
    ids: AHashMap<Box<str>, KeyId>,
    folded: Vec<KeyId>,
}

impl Interner {
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// The key's id, new if need be; [`KeyId::NONE`] when the table is full or the key is too long.
    pub fn intern(&self, key: &str) -> KeyId {
        if key.len() > MAX_KEY_BYTES {
            return KeyId::NONE;
        }
        if let Some(&id) = self.read().ids.get(key) {
            return id;
        }
        let mut table = self.table.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let folded = key.to_lowercase();
        let folded_id = if folded == key { None } else { Some(table.insert(&folded, None)) };
        table.insert(key, folded_id)
    }

    /// The id of the key's lower-case form, by which case-insensitive lookups compare.
    pub fn folded(&self, id: KeyId) -> KeyId {
        self.read().folded.get(id.index()).copied().unwrap_or(KeyId::NONE)
    }

    /// Appends the lower-case ids of the keys that came since `into` had them all, so that `into[id.index()]` is
    /// [`Self::folded`] without a lock.
    pub fn folded_since(&self, into: &mut Vec<KeyId>) {
        let table = self.read();
        if let Some(new) = table.folded.get(into.len()..) {
            into.extend_from_slice(new);
        }
    }

    /// How many keys have an id.
    pub fn len(&self) -> usize {
        self.read().folded.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Table {
    fn insert(&mut self, key: &str, folded: Option<KeyId>) -> KeyId {
        if let Some(&id) = self.ids.get(key) {
            return id;
        }
        if self.folded.len() >= MAX_KEYS {
            return KeyId::NONE;
        }
        let id = KeyId(self.folded.len() as u32);
        self.ids.insert(key.into(), id);
        self.folded.push(folded.unwrap_or(id));
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_stable_folded_and_bounded() {
        let interner = Interner::default();
        let name = interner.intern("eventName");
        assert_eq!(interner.intern("eventName"), name);
        assert_eq!(interner.folded(name), interner.intern("eventname"));
        assert_eq!(interner.intern(&"k".repeat(MAX_KEY_BYTES + 1)), KeyId::NONE);
        for n in 0..MAX_KEYS + 10 {
            interner.intern(&format!("k{n}"));
        }
        assert_eq!(interner.len(), MAX_KEYS);
        assert_eq!(interner.intern("one more"), KeyId::NONE);
        assert_eq!(interner.intern("eventName"), name);
    }
}
