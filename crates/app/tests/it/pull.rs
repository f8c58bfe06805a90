//! A Snowflake account's days, pulled by the built binary: late rows, long statements, sessions that close later, throttling,
//! and pulls that are killed. Nothing is lost and nothing doubled.

#[path = "../../examples/pull_months/month.rs"]
mod month;

use std::path::Path;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_days_with_kills_lose_and_double_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let plan =
        month::Plan { seed: 11, days: 2, statements_per_week: 1_500, interval_minutes: 240, kills: 0.4, outages: 0.05 };
    let outcome = month::play(Path::new(env!("CARGO_BIN_EXE_uncia")), folder.path(), plan).await.unwrap();
    assert!(outcome.is_right(), "{outcome:#?}");
    assert!(outcome.events > 500 && outcome.killed > 0 && outcome.naive_lost > 0, "{outcome:#?}");
}
