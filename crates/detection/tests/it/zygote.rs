//! Workers are copies of a process that has loaded the program: once, behind the same walls, and replaceable.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use uncia_detection::{CacheChange, CacheRequest, Engine, EngineConfig, KeyValue as _, MemoryCache, Sandbox};

use crate::workers::{config, numbered, rules};

/// Counts how often the program is loaded, remembers the process that did, and ends its worker when asked to.
const COUNTS: &str = "
import os, random
from panther_detection_helpers.caching import increment_counter, put_dictionary
increment_counter('loads')
put_dictionary('loader', {'id': os.getpid()})

def rule(event):
    if event['n'] == 7 and increment_counter('lives') <= LIVES:
        os._exit(1)
    return True

def title(event):
    return f'{os.getpid()} {random.random()}'
";

struct Seen {
    matches: usize,
    /// The titles' first and second words.
    processes: BTreeSet<String>,
    randoms: BTreeSet<String>,
    deaths: u64,
}

async fn see(engine: &Engine, events: usize) -> Seen {
    let evaluation = engine.evaluate(numbered(events)).await;
    assert_eq!(evaluation.errors, []);
    let words = |place: usize| {
        let word = move |title: &str| title.split(' ').nth(place).unwrap().to_owned();
        evaluation.matches.iter().map(move |found| word(&found.title)).collect()
    };
    Seen { matches: evaluation.matches.len(), processes: words(0), randoms: words(1), deaths: evaluation.stats.deaths }
}

async fn cached(cache: &MemoryCache, key: &str) -> uncia_detection::CacheItem {
    let request =
        CacheRequest { key: key.to_owned(), now: 0, expires: None, default_expires: None, change: CacheChange::Get };
    cache.apply(&request).await.unwrap()
}

async fn loads(cache: &MemoryCache) -> i64 {
    cached(cache, "loads").await.counter.unwrap()
}

async fn start(source: &str, config: EngineConfig) -> (Engine, Arc<MemoryCache>) {
    let cache = Arc::new(MemoryCache::default());
    let engine = Engine::start(rules(&[("Counts", source)]), config, cache.clone()).await.unwrap();
    engine.ready().await;
    (engine, cache)
}

#[tokio::test]
async fn the_program_is_loaded_once_for_all_workers() {
    let (engine, cache) = start(&COUNTS.replace("LIVES", "1"), config()).await;
    let seen = see(&engine, 300).await;
    assert_eq!((seen.matches, seen.deaths), (300, 1));
    assert_eq!(seen.randoms.len(), 300, "copies do not share their chance");
    assert_eq!((loads(&cache).await, engine.uncopied()), (1, None));
    let loader = cached(&cache, "loader").await.dictionary.unwrap();
    assert!(seen.processes.iter().all(|id| !loader.contains(id)), "it judges nothing itself: {loader}");
    engine.shutdown().await;
}

#[tokio::test]
async fn one_that_is_gone_is_replaced() {
    let source = COUNTS.replace("LIVES", "2");
    let (engine, cache) = start(&source, EngineConfig { workers: 1, quarantine_deaths: 9, ..config() }).await;
    let loader = cached(&cache, "loader").await.dictionary.unwrap();
    let id: String = loader.chars().filter(char::is_ascii_digit).collect();
    let killed = std::process::Command::new("kill").args(["-KILL", &id]).status().unwrap();
    assert!(killed.success());
    // The worker lives on without it, until it needs a successor.
    let calm = see(&engine, 5).await;
    assert_eq!((calm.matches, calm.deaths, loads(&cache).await), (5, 0, 1));
    let evaluation = engine.evaluate(numbered(300)).await;
    assert_eq!((evaluation.matches.len(), evaluation.errors.len(), evaluation.stats.deaths), (299, 1, 2));
    assert_eq!((loads(&cache).await, engine.uncopied()), (2, None));
    engine.shutdown().await;
}

/// Whatever keeps a process from being copied: its workers load the program themselves, and judge as ever.
#[tokio::test]
async fn what_cannot_be_copied_is_not() {
    let open = || EngineConfig { sandbox: Sandbox::Off, ..config() };
    let cases = [
        ("os.register_at_fork(after_in_child=lambda: os._exit(1))", config(), "its copy died: exit status: 1"),
        ("os.register_at_fork(after_in_child=lambda: os.kill(0, 9))", config(), "its copy died: signal: 9 (SIGKILL)"),
        ("os.register_at_fork(before=lambda: os._exit(4))", config(), "there is no copy (exit status: 4)"),
        (
            "import threading, time; threading.Thread(target=time.sleep, args=(600,), daemon=True).start()",
            open(),
            "there is no copy (exit status: 1: OSError: cannot fork: it has 2 threads)",
        ),
    ];
    for (line, config, reason) in cases {
        let source = format!("{}\n{line}\n", COUNTS.replace("LIVES", "1"));
        let (engine, cache) = start(&source, config).await;
        let seen = see(&engine, 300).await;
        assert_eq!((seen.matches, seen.deaths), (300, 1), "{line}");
        // One to be copied, in vain; two workers; the successor of one.
        assert_eq!(loads(&cache).await, 4, "{line}");
        assert_eq!(engine.uncopied().unwrap(), reason);
        engine.shutdown().await;
    }
}

/// A copy that never comes is waited for, but not for ever.
#[tokio::test]
async fn a_copy_that_hangs_is_given_up() {
    let source = format!(
        "{}\nimport time\nos.register_at_fork(after_in_child=lambda: time.sleep(1000))\n",
        COUNTS.replace("LIVES", "0")
    );
    let begun = std::time::Instant::now();
    let (engine, _) = start(&source, config()).await;
    assert_eq!(see(&engine, 10).await.matches, 10);
    assert_eq!(engine.uncopied().as_deref(), Some("it did not fork within 10 s"));
    assert!(begun.elapsed() < Duration::from_secs(60));
    engine.shutdown().await;
}
