//! `pull_months BINARY SEEDS DAYS STATEMENTS_PER_WEEK INTERVAL_MINUTES [KILLS] [OUTAGES]`: simulated months of a Snowflake account,
//! one for each seed, and a line of JSON with what was lost and doubled. `./x bench snowflake-pull` runs it; a busy year is
//! `1 365 200000 720 0.05 0.005`. `pull_months BINARY grants ROWS CHANGES` measures snapshots of many grants.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people and for ./x")]

mod grants;
mod month;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result};
use month::{Outcome, Plan};
use serde_json::json;
use tokio::task::JoinSet;

/// Seeds that are played at a time: a pull waits as much as it works.
const AT_ONCE: usize = 2;

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_env("UNCIA_LOG")).init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize, or: f64| arguments.get(place).map_or(Ok(or), |text| text.parse::<f64>());
    let binary = PathBuf::from(arguments.first().context("the binary is the first argument")?);
    if arguments.get(1).is_some_and(|word| word == "grants") {
        println!("{}", grants::measure(&binary, number(2, 1e6)? as u64, number(3, 100.0)? as u64).await?);
        return Ok(());
    }
    let (seeds, days, per_week, interval) = (number(1, 1.0)?, number(2, 30.0)?, number(3, 5_000.0)?, number(4, 120.0)?);
    let (kills, outages) = (number(5, 0.05)?, number(6, 0.005)?);
    let began = Instant::now();
    let mut total = Outcome::default();
    let mut left = 1..=seeds as u64;
    let mut playing: JoinSet<Result<Outcome>> = JoinSet::new();
    loop {
        while playing.len() < AT_ONCE
            && let Some(seed) = left.next()
        {
            let plan = Plan {
                seed,
                days: days as u32,
                statements_per_week: per_week as u32,
                interval_minutes: interval as u32,
                kills,
                outages,
            };
            let binary = binary.clone();
            playing.spawn(async move { seed_of(&binary, plan).await.with_context(|| format!("seed {seed}")) });
        }
        let Some(played) = playing.join_next().await else { break };
        total.add(&played??);
    }
    total.seconds = began.elapsed().as_secs_f64();
    let mut line = json!({
        "seeds": seeds, "days": days, "statements_per_week": per_week, "interval_minutes": interval,
        "right": total.is_right(),
    });
    if let (Some(line), serde_json::Value::Object(figures)) = (line.as_object_mut(), serde_json::to_value(&total)?) {
        line.extend(figures);
    }
    println!("{line}");
    if !total.is_right() {
        std::process::exit(1);
    }
    Ok(())
}

/// Plays one seed in a folder of its own, and says what came of it.
async fn seed_of(binary: &Path, plan: Plan) -> Result<Outcome> {
    let seed = plan.seed;
    let folder = std::env::temp_dir().join(format!("uncia-month-{}-{seed}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let outcome = month::play(binary, &folder, plan).await?;
    eprintln!(
        "seed {seed}: {} events, {} lost, {} doubled, {} strange, {} stale; {} pulls, {} killed, {} failed, {} faults; \
         {:.2} rows read and {:.2} scanned per event; the usual recipe lost {} of {}; {:.0} s",
        outcome.events,
        outcome.lost,
        outcome.doubled,
        outcome.strange,
        outcome.stale,
        outcome.pulls,
        outcome.killed,
        outcome.failed,
        outcome.faults,
        outcome.per_event(outcome.rows_read),
        outcome.per_event(outcome.rows_scanned),
        outcome.naive_lost,
        outcome.naive_events,
        outcome.seconds
    );
    for wrong in &outcome.wrong {
        eprintln!("  {wrong}");
    }
    if outcome.is_right() {
        std::fs::remove_dir_all(&folder)?;
    } else {
        eprintln!("  kept: {}", folder.display());
    }
    Ok(outcome)
}

impl Outcome {
    fn add(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.events, other.events),
            (&mut self.lost, other.lost),
            (&mut self.doubled, other.doubled),
            (&mut self.strange, other.strange),
            (&mut self.stale, other.stale),
            (&mut self.pulls, other.pulls),
            (&mut self.killed, other.killed),
            (&mut self.failed, other.failed),
            (&mut self.faults, other.faults),
            (&mut self.statements, other.statements),
            (&mut self.rows_scanned, other.rows_scanned),
            (&mut self.rows_read, other.rows_read),
            (&mut self.naive_lost, other.naive_lost),
            (&mut self.naive_events, other.naive_events),
            (&mut self.kept_bytes, other.kept_bytes),
        ] {
            *mine += theirs;
        }
        self.pull_seconds += other.pull_seconds;
        self.peak_bytes = self.peak_bytes.max(other.peak_bytes);
        self.double_peak_bytes = self.double_peak_bytes.max(other.double_peak_bytes);
        self.wrong.extend(other.wrong.iter().cloned());
    }

    #[must_use]
    fn per_event(&self, count: u64) -> f64 {
        count as f64 / self.events.max(1) as f64
    }
}
