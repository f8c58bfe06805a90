//! The rules' cache: counters, string sets and dictionaries with an expiry, served by the main process.
//!
//! Workers ask over their socket; here an operation is pure, from the old item to the new one, so that every store that
//! can exchange one value atomically can serve it. The worker sends the time, as the rules see it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// One cached item. Its parts live and expire together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheItem {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counter: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strings: Option<BTreeSet<String>>,
    /// JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dictionary: Option<String>,
    /// Seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<i64>,
}

/// One request of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheRequest {
    pub key: String,
    /// Seconds since 1970.
    pub now: i64,
    /// The item's new expiry, in seconds since 1970; the old one stays without it.
    pub expires: Option<i64>,
    /// The expiry of an item that has none yet.
    #[serde(default)]
    pub default_expires: Option<i64>,
    #[serde(flatten)]
    pub change: CacheChange,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum CacheChange {
    Get,
    AddToCounter { by: i64 },
    ResetCounter,
    Expire,
    PutStrings { strings: BTreeSet<String> },
    AddStrings { strings: BTreeSet<String> },
    RemoveStrings { strings: BTreeSet<String> },
    PutDictionary { dictionary: String },
}

#[derive(Debug, thiserror::Error)]
#[error("rule cache: {0}")]
pub struct CacheError(pub String);

/// Where the cache is kept.
#[async_trait]
pub trait KeyValue: Send + Sync {
    /// Applies the request to the item under its key, atomically, and returns the item as it is afterwards.
    async fn apply(&self, request: &CacheRequest) -> Result<CacheItem, CacheError>;
}

impl CacheRequest {
    /// Whether the item may change, so that it must be written back.
    #[must_use]
    pub fn writes(&self) -> bool {
        self.change != CacheChange::Get
    }

    /// The item after the request. What has expired counts as absent, except for reading.
    #[must_use]
    pub fn applied_to(&self, item: Option<CacheItem>) -> CacheItem {
        let mut item = item.unwrap_or_default();
        if self.change == CacheChange::Get {
            return item;
        }
        if item.expires.is_some_and(|expires| expires <= self.now) && self.change != CacheChange::Expire {
            item = CacheItem::default();
        }
        match &self.change {
            CacheChange::Get | CacheChange::Expire => {}
            CacheChange::AddToCounter { by } => {
                item.counter = Some(item.counter.unwrap_or_default().saturating_add(*by));
            }
            CacheChange::ResetCounter => item.counter = None,
            CacheChange::PutStrings { strings } => item.strings = Some(strings.clone()).filter(|set| !set.is_empty()),
            CacheChange::AddStrings { strings } => {
                item.strings.get_or_insert_default().extend(strings.iter().cloned());
            }
            CacheChange::RemoveStrings { strings } => {
                item.strings.get_or_insert_default().retain(|text| !strings.contains(text));
                item.strings = item.strings.take().filter(|set| !set.is_empty());
            }
            CacheChange::PutDictionary { dictionary } => item.dictionary = Some(dictionary.clone()),
        }
        item.expires = self.expires.or(item.expires).or(self.default_expires);
        item
    }
}

/// A cache that lives as long as the process: for tests, and for commands that keep nothing.
#[derive(Default, Debug)]
pub struct MemoryCache {
    items: Mutex<HashMap<String, CacheItem>>,
}

#[async_trait]
impl KeyValue for MemoryCache {
    async fn apply(&self, request: &CacheRequest) -> Result<CacheItem, CacheError> {
        let mut items = self.items.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let item = request.applied_to(items.get(&request.key).cloned());
        if request.writes() {
            items.insert(request.key.clone(), item.clone());
        }
        Ok(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(now: i64, expires: Option<i64>, change: CacheChange) -> CacheRequest {
        CacheRequest { key: "k".into(), now, expires, default_expires: None, change }
    }

    fn set(texts: &[&str]) -> BTreeSet<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn what_expired_starts_again() {
        let add = |now| request(now, None, CacheChange::AddToCounter { by: 2 });
        let item = request(0, Some(10), CacheChange::AddToCounter { by: 1 }).applied_to(None);
        assert_eq!(add(9).applied_to(Some(item.clone())).counter, Some(3));
        assert_eq!(add(10).applied_to(Some(item.clone())), CacheItem { counter: Some(2), ..CacheItem::default() });
        assert_eq!(request(11, None, CacheChange::Get).applied_to(Some(item.clone())), item);
    }

    #[test]
    fn adding_leaves_a_live_expiry() {
        let add = CacheRequest { default_expires: Some(99), ..request(0, None, CacheChange::AddToCounter { by: 1 }) };
        let item = add.applied_to(None);
        assert_eq!(item.expires, Some(99));
        let window = request(0, Some(10), CacheChange::Expire).applied_to(Some(item));
        let item = add.applied_to(Some(window));
        assert_eq!((item.counter, item.expires), (Some(2), Some(10)));
    }

    #[test]
    fn string_sets() {
        let put = request(0, Some(9), CacheChange::PutStrings { strings: set(&["a", "b"]) }).applied_to(None);
        let more = request(1, None, CacheChange::AddStrings { strings: set(&["c"]) }).applied_to(Some(put));
        assert_eq!((more.strings.clone(), more.expires), (Some(set(&["a", "b", "c"])), Some(9)));
        let less = request(2, None, CacheChange::RemoveStrings { strings: set(&["a", "x"]) }).applied_to(Some(more));
        assert_eq!(less.strings, Some(set(&["b", "c"])));
        let none = request(3, None, CacheChange::PutStrings { strings: set(&[]) }).applied_to(Some(less));
        assert_eq!(none.strings, None);
    }
}
