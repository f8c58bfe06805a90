//! `pull_months BINARY SEEDS DAYS STATEMENTS_PER_WEEK INTERVAL_MINUTES [KILLS] [OUTAGES]`: simulated months of a Snowflake account,
//! one for each seed, and a line of JSON with what was lost and doubled. `./x bench snowflake-pull` runs it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people and for ./x")]

mod month;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use month::{Outcome, Plan};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_env("UNCIA_LOG")).init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize, or: f64| arguments.get(place).map_or(Ok(or), |text| text.parse::<f64>());
    let binary = PathBuf::from(arguments.first().context("the binary is the first argument")?);
    let (seeds, days, per_week, interval) = (number(1, 1.0)?, number(2, 30.0)?, number(3, 5_000.0)?, number(4, 120.0)?);
    let (kills, outages) = (number(5, 0.05)?, number(6, 0.005)?);
    let mut total = Outcome::default();
    for seed in 1..=seeds as u64 {
        let folder = std::env::temp_dir().join(format!("uncia-month-{}-{seed}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let plan = Plan {
            seed,
            days: days as u32,
            statements_per_week: per_week as u32,
            interval_minutes: interval as u32,
            kills,
            outages,
        };
        let outcome = month::play(&binary, &folder, plan).await.with_context(|| format!("seed {seed}"))?;
        eprintln!(
            "seed {seed}: {} events, {} lost, {} doubled, {} strange, {} stale; {} pulls, {} killed, {} failed, {} faults; \
             {:.1} rows read per event; the usual recipe lost {} of {}",
            outcome.events,
            outcome.lost,
            outcome.doubled,
            outcome.strange,
            outcome.stale,
            outcome.pulls,
            outcome.killed,
            outcome.failed,
            outcome.faults,
            outcome.rows_given as f64 / outcome.events.max(1) as f64,
            outcome.naive_lost,
            outcome.naive_events
        );
        for wrong in &outcome.wrong {
            eprintln!("  {wrong}");
        }
        if outcome.is_right() {
            std::fs::remove_dir_all(&folder)?;
        } else {
            eprintln!("  kept: {}", folder.display());
        }
        total.add(&outcome);
    }
    println!(
        "{}",
        json!({
            "seeds": seeds, "days": days, "statements_per_week": per_week, "interval_minutes": interval,
            "events": total.events, "lost": total.lost, "doubled": total.doubled, "strange": total.strange,
            "stale": total.stale, "pulls": total.pulls, "killed": total.killed, "failed": total.failed,
            "faults": total.faults, "statements": total.statements, "rows_scanned": total.rows_scanned,
            "rows_read": total.rows_given, "naive_lost": total.naive_lost, "naive_events": total.naive_events,
            "right": total.is_right(),
        })
    );
    if !total.is_right() {
        std::process::exit(1);
    }
    Ok(())
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
            (&mut self.rows_given, other.rows_given),
            (&mut self.naive_lost, other.naive_lost),
            (&mut self.naive_events, other.naive_events),
        ] {
            *mine += theirs;
        }
        self.wrong.extend(other.wrong.iter().cloned());
    }
}
