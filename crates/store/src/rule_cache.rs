//! What rules remember between events: counters, string sets and dictionaries under keys, with an expiry.
//!
//! One item holds all three parts and one expiry. The verbs are those that detections import from
//! `panther_detection_helpers.caching`. An expired item counts as absent everywhere but in [`RuleCache::item`]; it is
//! removed at leisure by [`RuleCache::prune`]. A verb that adds to a live item without naming an expiry leaves the one
//! it has, so that `increment_counter` followed once by `set_key_expiration` makes a fixed window.

use std::collections::BTreeSet;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};

use crate::{Store, StoreError};

/// Expiry of what is put without one: 90 days.
pub const DEFAULT_EXPIRY_SECONDS: i64 = 90 * 24 * 3600;
/// A number below this is a time from now, anything else a time since 1970.
pub const RELATIVE_EXPIRY_LIMIT: i64 = 604_801;

/// An item of the cache, as stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleCacheItem {
    pub counter: Option<i64>,
    pub strings: Option<BTreeSet<String>>,
    /// A JSON object's text.
    pub dictionary: Option<String>,
    /// Seconds since 1970.
    pub expires_seconds: Option<i64>,
}

impl RuleCacheItem {
    #[must_use]
    pub fn is_live(&self, now: i64) -> bool {
        self.expires_seconds.is_none_or(|expires| now < expires)
    }

    fn is_empty(&self) -> bool {
        self.counter.is_none() && self.strings.is_none() && self.dictionary.is_none()
    }
}

/// The rules' cache. `now` and expiries are in seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct RuleCache<'a>(&'a Store);

impl Store {
    #[must_use]
    pub const fn rule_cache(&self) -> RuleCache<'_> {
        RuleCache(self)
    }
}

/// The time that a rule's expiry argument means.
#[must_use]
pub const fn expiry(now: i64, given: Option<i64>) -> i64 {
    match given {
        None => now.saturating_add(DEFAULT_EXPIRY_SECONDS),
        Some(relative) if relative < RELATIVE_EXPIRY_LIMIT => now.saturating_add(relative),
        Some(absolute) => absolute,
    }
}

impl RuleCache<'_> {
    /// The item as stored, even if it has expired.
    pub async fn item(&self, key: &str) -> Result<Option<RuleCacheItem>, StoreError> {
        let mut snapshot = self.0.read(READ).await?;
        read(self.0, &mut snapshot, key, READ).await
    }

    /// Exchanges an item atomically: `change` gets what is stored, even if it has expired, and says what to keep.
    pub async fn update(
        &self,
        key: &str,
        change: impl FnOnce(Option<RuleCacheItem>) -> Option<RuleCacheItem> + Send,
    ) -> Result<Option<RuleCacheItem>, StoreError> {
        let action = "write the rule cache";
        let failed = self.0.failed(action);
        let mut transaction = self.0.write(action).await?;
        let before = read(self.0, &mut transaction, key, action).await?;
        let after = change(before.clone());
        if before == after {
            return Ok(after);
        }
        match &after {
            Some(item) => {
                sqlx::query(
                    "INSERT INTO rule_cache (key, counter, string_set, dictionary, expires_seconds) \
                     VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET counter = excluded.counter, \
                     string_set = excluded.string_set, dictionary = excluded.dictionary, \
                     expires_seconds = excluded.expires_seconds",
                )
                .bind(key)
                .bind(item.counter)
                .bind(item.strings.as_ref().map(|set| serde_json::json!(set).to_string()))
                .bind(&item.dictionary)
                .bind(item.expires_seconds)
                .execute(&mut *transaction)
                .await
            }
            None => sqlx::query("DELETE FROM rule_cache WHERE key = ?").bind(key).execute(&mut *transaction).await,
        }
        .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(after)
    }

    /// 0 if absent.
    pub async fn get_counter(&self, key: &str, now: i64) -> Result<i64, StoreError> {
        Ok(self.live(key, now).await?.and_then(|item| item.counter).unwrap_or(0))
    }

    /// Adds and returns the sum; an absent or expired counter starts from 0.
    pub async fn increment_counter(
        &self,
        key: &str,
        by: i64,
        expires: Option<i64>,
        now: i64,
    ) -> Result<i64, StoreError> {
        let item = self
            .change(key, now, expires, |item| item.counter = Some(item.counter.unwrap_or(0).saturating_add(by)))
            .await?;
        Ok(item.and_then(|item| item.counter).unwrap_or(0))
    }

    pub async fn reset_counter(&self, key: &str, now: i64) -> Result<(), StoreError> {
        self.clear(key, now, |item| item.counter = None).await
    }

    /// Sets the expiry of the whole item; an absent one is made, so that what is added next gets it.
    pub async fn set_key_expiration(&self, key: &str, expires: Option<i64>, now: i64) -> Result<(), StoreError> {
        let expires = expiry(now, expires);
        self.change(key, now, None, |item| item.expires_seconds = Some(expires)).await.map(drop)
    }

    /// Empty if absent.
    pub async fn get_string_set(&self, key: &str, now: i64) -> Result<BTreeSet<String>, StoreError> {
        Ok(self.live(key, now).await?.and_then(|item| item.strings).unwrap_or_default())
    }

    /// Overwrites the set; an empty one removes it.
    pub async fn put_string_set(
        &self,
        key: &str,
        strings: BTreeSet<String>,
        expires: Option<i64>,
        now: i64,
    ) -> Result<(), StoreError> {
        if strings.is_empty() {
            return self.reset_string_set(key, now).await;
        }
        let expires = expiry(now, expires);
        self.change(key, now, None, |item| {
            item.strings = Some(strings);
            item.expires_seconds = Some(expires);
        })
        .await
        .map(drop)
    }

    /// The union with what is stored.
    pub async fn add_to_string_set(
        &self,
        key: &str,
        strings: BTreeSet<String>,
        expires: Option<i64>,
        now: i64,
    ) -> Result<BTreeSet<String>, StoreError> {
        let item = self.change(key, now, expires, |item| item.strings.get_or_insert_default().extend(strings)).await?;
        Ok(item.and_then(|item| item.strings).unwrap_or_default())
    }

    /// What is stored without the given strings.
    pub async fn remove_from_string_set(
        &self,
        key: &str,
        strings: &BTreeSet<String>,
        expires: Option<i64>,
        now: i64,
    ) -> Result<BTreeSet<String>, StoreError> {
        let item = self
            .change(key, now, expires, |item| {
                let left = item.strings.take().unwrap_or_default().difference(strings).cloned().collect();
                item.strings = Some(left).filter(|left: &BTreeSet<String>| !left.is_empty());
            })
            .await?;
        Ok(item.and_then(|item| item.strings).unwrap_or_default())
    }

    pub async fn reset_string_set(&self, key: &str, now: i64) -> Result<(), StoreError> {
        self.clear(key, now, |item| item.strings = None).await
    }

    /// Overwrites the dictionary: the text of a JSON object.
    pub async fn put_dictionary(
        &self,
        key: &str,
        dictionary: &str,
        expires: Option<i64>,
        now: i64,
    ) -> Result<(), StoreError> {
        let parsed = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(dictionary);
        if let Err(error) = parsed {
            return Err(StoreError::RuleCache {
                key: key.to_owned(),
                message: format!("a dictionary must be a JSON object: {error}"),
            });
        }
        let dictionary = dictionary.to_owned();
        let expires = expiry(now, expires);
        self.change(key, now, None, |item| {
            item.dictionary = Some(dictionary);
            item.expires_seconds = Some(expires);
        })
        .await
        .map(drop)
    }

    /// The text of a JSON object, `{}` if absent.
    pub async fn get_dictionary(&self, key: &str, now: i64) -> Result<String, StoreError> {
        Ok(self.live(key, now).await?.and_then(|item| item.dictionary).unwrap_or_else(|| "{}".to_owned()))
    }

    /// Counts one; true, and the counter starts anew, when the threshold is reached. The window opens with its first
    /// count and does not slide.
    pub async fn evaluate_threshold(
        &self,
        key: &str,
        threshold: i64,
        expiry_seconds: i64,
        now: i64,
    ) -> Result<bool, StoreError> {
        let mut reached = false;
        self.update(key, |item| {
            let mut item = live_or_new(item, now);
            let count = item.counter.unwrap_or(0).saturating_add(1);
            if item.counter.is_none() {
                item.expires_seconds = Some(expiry(now, Some(expiry_seconds)));
            }
            reached = count >= threshold;
            item.counter = (!reached).then_some(count);
            (!item.is_empty()).then_some(item)
        })
        .await?;
        Ok(reached)
    }

    /// Whether there is a live string set under the key.
    pub async fn check_account_age(&self, key: &str, now: i64) -> Result<bool, StoreError> {
        Ok(!self.get_string_set(key, now).await?.is_empty())
    }

    /// Removes expired items; returns how many.
    pub async fn prune(&self, now: i64) -> Result<u64, StoreError> {
        let action = "prune the rule cache";
        let failed = self.0.failed(action);
        let mut transaction = self.0.write(action).await?;
        let pruned = sqlx::query("DELETE FROM rule_cache WHERE expires_seconds <= ?")
            .bind(now)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(pruned.rows_affected())
    }

    async fn live(&self, key: &str, now: i64) -> Result<Option<RuleCacheItem>, StoreError> {
        Ok(self.item(key).await?.filter(|item| item.is_live(now)))
    }

    /// Changes a live or new item. A new one gets an expiry in any case, a live one only if it is given.
    async fn change(
        &self,
        key: &str,
        now: i64,
        expires: Option<i64>,
        change: impl FnOnce(&mut RuleCacheItem) + Send,
    ) -> Result<Option<RuleCacheItem>, StoreError> {
        self.update(key, |item| {
            let mut item = live_or_new(item, now);
            if expires.is_some() || item.expires_seconds.is_none() {
                item.expires_seconds = Some(expiry(now, expires));
            }
            change(&mut item);
            Some(item)
        })
        .await
    }

    /// Removes a part; an item without parts goes away.
    async fn clear(
        &self,
        key: &str,
        now: i64,
        change: impl FnOnce(&mut RuleCacheItem) + Send,
    ) -> Result<(), StoreError> {
        self.update(key, |item| {
            let mut item = item.filter(|item| item.is_live(now))?;
            change(&mut item);
            (!item.is_empty()).then_some(item)
        })
        .await
        .map(drop)
    }
}

const READ: &str = "read the rule cache";

fn live_or_new(item: Option<RuleCacheItem>, now: i64) -> RuleCacheItem {
    item.filter(|item| item.is_live(now)).unwrap_or_default()
}

async fn read(
    store: &Store,
    transaction: &mut Transaction<'static, Sqlite>,
    key: &str,
    action: &'static str,
) -> Result<Option<RuleCacheItem>, StoreError> {
    let failed = store.failed(action);
    let row: Option<SqliteRow> =
        sqlx::query("SELECT counter, string_set, dictionary, expires_seconds FROM rule_cache WHERE key = ?")
            .bind(key)
            .fetch_optional(&mut **transaction)
            .await
            .map_err(failed)?;
    let Some(row) = row else { return Ok(None) };
    let strings: Option<&str> = row.try_get(1).map_err(failed)?;
    let strings = match strings {
        Some(text) => Some(serde_json::from_str(text).map_err(|_| StoreError::Unreadable {
            table: "rule_cache",
            column: "string_set",
            value: text.to_owned(),
        })?),
        None => None,
    };
    Ok(Some(RuleCacheItem {
        counter: row.try_get(0).map_err(failed)?,
        strings,
        dictionary: row.try_get(2).map_err(failed)?,
        expires_seconds: row.try_get(3).map_err(failed)?,
    }))
}
