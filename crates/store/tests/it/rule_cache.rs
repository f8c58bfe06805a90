//! What rules remember, and when they forget it.

use std::collections::BTreeSet;

use uncia_store::{DEFAULT_EXPIRY_SECONDS, RuleCacheItem, expiry};

use crate::shape::store;

const NOW: i64 = 1_700_000_000;

fn set(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn expiries() {
    for (given, expected) in [
        (None, NOW + DEFAULT_EXPIRY_SECONDS),
        (Some(0), NOW),
        (Some(3600), NOW + 3600),
        (Some(604_800), NOW + 604_800),
        (Some(604_801), 604_801),
        (Some(NOW + 5), NOW + 5),
    ] {
        assert_eq!(expiry(NOW, given), expected, "{given:?}");
    }
}

#[tokio::test]
async fn counters() {
    let (_dir, store) = store().await;
    let cache = store.rule_cache();
    assert_eq!(cache.get_counter("k", NOW).await.unwrap(), 0);
    assert_eq!(cache.increment_counter("k", 1, Some(60), NOW).await.unwrap(), 1);
    assert_eq!(cache.increment_counter("k", 5, None, NOW + 59).await.unwrap(), 6);
    assert_eq!(cache.get_counter("k", NOW + 59).await.unwrap(), 6);
    // Expired: reads as absent, restarts at the value, with the usual expiry.
    assert_eq!(cache.get_counter("k", NOW + 60).await.unwrap(), 0);
    assert_eq!(cache.increment_counter("k", 5, None, NOW + 60).await.unwrap(), 5);
    let item = cache.item("k").await.unwrap().unwrap();
    assert_eq!(item.expires_seconds, Some(NOW + 60 + DEFAULT_EXPIRY_SECONDS));
    cache.reset_counter("k", NOW + 61).await.unwrap();
    assert_eq!(cache.item("k").await.unwrap(), None);
    cache.reset_counter("none", NOW).await.unwrap();
}

#[tokio::test]
async fn the_documented_window_does_not_slide() {
    let (_dir, store) = store().await;
    let cache = store.rule_cache();
    assert_eq!(cache.increment_counter("k", 1, None, NOW).await.unwrap(), 1);
    cache.set_key_expiration("k", Some(NOW + 3600), NOW).await.unwrap();
    assert_eq!(cache.increment_counter("k", 1, None, NOW + 3599).await.unwrap(), 2);
    assert_eq!(cache.increment_counter("k", 1, None, NOW + 3600).await.unwrap(), 1);
}

#[tokio::test]
async fn string_sets() {
    let (_dir, store) = store().await;
    let cache = store.rule_cache();
    assert_eq!(cache.get_string_set("k", NOW).await.unwrap(), set(&[]));
    cache.put_string_set("k", set(&["b", "a"]), None, NOW).await.unwrap();
    assert_eq!(cache.add_to_string_set("k", set(&["c"]), None, NOW).await.unwrap(), set(&["a", "b", "c"]));
    assert_eq!(cache.remove_from_string_set("k", &set(&["a", "z"]), Some(10), NOW).await.unwrap(), set(&["b", "c"]));
    assert!(cache.check_account_age("k", NOW + 9).await.unwrap());
    assert!(!cache.check_account_age("k", NOW + 10).await.unwrap());
    assert_eq!(cache.add_to_string_set("k", set(&["n"]), None, NOW + 10).await.unwrap(), set(&["n"]));
    cache.put_string_set("k", set(&[]), None, NOW + 11).await.unwrap();
    assert_eq!(cache.item("k").await.unwrap(), None);
    assert_eq!(cache.remove_from_string_set("new", &set(&["a"]), None, NOW).await.unwrap(), set(&[]));
    cache.reset_string_set("new", NOW).await.unwrap();
}

#[tokio::test]
async fn dictionaries() {
    let (_dir, store) = store().await;
    let cache = store.rule_cache();
    assert_eq!(cache.get_dictionary("k", NOW).await.unwrap(), "{}");
    cache.put_dictionary("k", r#"{"b": [1, 2.50], "a": null}"#, Some(5), NOW).await.unwrap();
    assert_eq!(cache.get_dictionary("k", NOW + 4).await.unwrap(), r#"{"b": [1, 2.50], "a": null}"#);
    assert_eq!(cache.get_dictionary("k", NOW + 5).await.unwrap(), "{}");
    let refused = cache.put_dictionary("k", "[1]", None, NOW).await.unwrap_err().to_string();
    assert!(refused.starts_with("rule cache key \"k\": a dictionary must be a JSON object: "), "{refused}");
}

#[tokio::test]
async fn the_parts_of_an_item_live_together() {
    let (_dir, store) = store().await;
    let cache = store.rule_cache();
    cache.put_string_set("k", set(&["a"]), None, NOW).await.unwrap();
    cache.increment_counter("k", 3, Some(60), NOW).await.unwrap();
    cache.reset_counter("k", NOW).await.unwrap();
    let left =
        RuleCacheItem { strings: Some(set(&["a"])), expires_seconds: Some(NOW + 60), ..RuleCacheItem::default() };
    assert_eq!(cache.item("k").await.unwrap(), Some(left));
    assert_eq!(cache.prune(NOW + 59).await.unwrap(), 0);
    assert_eq!(cache.prune(NOW + 60).await.unwrap(), 1);
}

#[tokio::test]
async fn thresholds() {
    let (_dir, store) = store().await;
    let cache = store.rule_cache();
    let mut reached = Vec::new();
    for _ in 0..7 {
        reached.push(cache.evaluate_threshold("k", 3, 60, NOW).await.unwrap());
    }
    assert_eq!(reached, [false, false, true, false, false, true, false]);
    assert!(cache.evaluate_threshold("one", 1, 60, NOW).await.unwrap());
    // The window opens with the first count: the second one does not prolong it.
    assert!(!cache.evaluate_threshold("w", 3, 60, NOW).await.unwrap());
    assert!(!cache.evaluate_threshold("w", 3, 60, NOW + 50).await.unwrap());
    assert!(!cache.evaluate_threshold("w", 3, 60, NOW + 70).await.unwrap());
    assert_eq!(cache.get_counter("w", NOW + 70).await.unwrap(), 1);
}

#[tokio::test]
async fn updates_at_once_are_all_counted() {
    let (_dir, store) = store().await;
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.rule_cache().increment_counter("k", 1, None, NOW).await.unwrap() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(store.rule_cache().get_counter("k", NOW).await.unwrap(), 50);
}
