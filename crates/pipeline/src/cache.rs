//! The rules' key-value cache, kept in the store: what a rule remembers survives restarts and is shared by all workers.

use std::sync::Arc;

use async_trait::async_trait;
use uncia_detection::{CacheError, CacheItem, CacheRequest, KeyValue};
use uncia_store::{RuleCacheItem, Store};

/// Serves rules from the store.
pub struct StoreCache {
    store: Arc<Store>,
}

impl StoreCache {
    #[must_use]
    pub fn new(store: Arc<Store>) -> Self {
        Self { store }
    }
}

#[async_trait]
impl KeyValue for StoreCache {
    async fn apply(&self, request: &CacheRequest) -> Result<CacheItem, CacheError> {
        let cache = self.store.rule_cache();
        let failed = |error: uncia_store::StoreError| CacheError(error.to_string());
        if !request.writes() {
            let item = cache.item(&request.key).await.map_err(failed)?;
            return Ok(request.applied_to(item.map(from_store)));
        }
        let change = |item: Option<RuleCacheItem>| Some(to_store(request.applied_to(item.map(from_store))));
        let item = cache.update(&request.key, change).await.map_err(failed)?;
        Ok(item.map(from_store).unwrap_or_default())
    }
}

fn from_store(item: RuleCacheItem) -> CacheItem {
    let RuleCacheItem { counter, strings, dictionary, expires_seconds } = item;
    CacheItem { counter, strings, dictionary, expires: expires_seconds }
}

fn to_store(item: CacheItem) -> RuleCacheItem {
    let CacheItem { counter, strings, dictionary, expires } = item;
    RuleCacheItem { counter, strings, dictionary, expires_seconds: expires }
}
