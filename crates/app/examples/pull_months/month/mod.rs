//! A simulated stretch of an account's life, pulled by the built binary as often as planned, and held against what truly
//! happened.
//!
//! The double and its virtual clock live here; each pull is a process of its own, which is killed at random, meets
//! throttling and outages, and may stay away for days. What counts is what the lake holds in the end.

mod judge;
mod outcome;
pub(crate) mod product;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use uncia_document::Timestamp;
use uncia_model::ManualClock;
use uncia_snowflake::auth::{KeySize, RsaKey};
use uncia_snowflake::setup::{Setup, SignIn};
use uncia_snowflake_double::{Double, DoubleConfig, Fault, FaultRates, Oracle, Simulation};

pub(crate) use self::outcome::Outcome;
use self::product::{Product, peak_memory, text};

const MINUTE: i64 = 60_000_000;
const DAY: i64 = 24 * 60 * MINUTE;
/// 2026-03-01 00:00 UTC.
const START: i64 = 1_772_323_200_000_000;
/// Rows of a partition are at least so many; larger answers have larger ones, as Snowflake's have.
const ROWS_PER_PARTITION: u32 = 2_000;
/// What goes wrong at the account, as shares of requests.
const FAULTS: FaultRates = FaultRates {
    throttle: 0.01,
    unavailable_before: 0.0025,
    unavailable_after: 0.0025,
    cut_after: 0.002,
    slow: 0.01,
    timeout: 0.001,
    too_large: 0.001,
    throttle_get: 0.01,
    unavailable_get: 0.005,
    expire_handle: 0.002,
};

/// How long, how busy, how bad.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) days: u32,
    pub(crate) statements_per_week: u32,
    pub(crate) interval_minutes: u32,
    /// Share of pulls that are killed while they run.
    pub(crate) kills: f64,
    /// Share of pulls behind which nobody pulls for one to three days.
    pub(crate) outages: f64,
}

struct Month {
    product: Product,
    clock: Arc<ManualClock>,
    double: Double,
    oracle: Oracle,
    plan: Plan,
    random: StdRng,
    outcome: Outcome,
    /// How long the last undisturbed pull took: a kill strikes within it.
    usual: Duration,
    /// The largest cursor that the usual recipe has seen, and the rows it has taken.
    naive: (i64, u64),
}

/// Plays a plan in a folder that is there and empty.
pub(crate) async fn play(binary: &Path, folder: &Path, plan: Plan) -> Result<Outcome> {
    let began = Instant::now();
    let clock = Arc::new(ManualClock::at(Timestamp::from_micros(START - DAY)));
    let rows_per_partition = ROWS_PER_PARTITION.max(plan.statements_per_week / 20) as usize;
    let double = Double::start(DoubleConfig { clock: clock.clone(), rows_per_partition, ..DoubleConfig::default() });
    let double = double.await?;
    let key = RsaKey::generate(KeySize::Bits2048)?;
    let pem = folder.join("key.pem");
    std::fs::write(&pem, key.to_pem()?.expose())?;
    let setup = Setup {
        source: "month".to_owned(),
        user: "UNCIA_AUDIT_VIEW_USER".to_owned(),
        role: "UNCIA_AUDIT_VIEW_ROLE".to_owned(),
        warehouse: "UNCIA_WH".to_owned(),
        create_warehouse: true,
        place: None,
        views: judge::views(),
        imported_privileges: false,
        sign_in: SignIn::KeyPair { public_key: key.public_base64(), second: false },
        addresses: Vec::new(),
    };
    double.run_script(&setup.sql()?)?;
    let product = Product::new(binary, folder);
    product.configure(&format!(
        "[detections]\nbundled = false\n[[sources.snowflake]]\nid = \"month\"\naccount = \"{}\"\nurl = \"{}\"\n\
         warehouse = \"UNCIA_WH\"\nsign_in = {{ method = \"key_pair\", private_key = \"file:{}\" }}\n\
         interval_minutes = {}\nstate_minutes = 0\nbackfill_hours = 1\n",
        double.identifier(),
        double.url(),
        pem.display(),
        plan.interval_minutes
    ))?;
    let oracle = double.simulate(&Simulation {
        seed: plan.seed,
        start: START,
        days: plan.days,
        statements_per_week: plan.statements_per_week,
        ..Simulation::default()
    });
    let month = Month {
        product,
        clock,
        double,
        oracle,
        plan,
        random: StdRng::seed_from_u64(plan.seed ^ 0xA5A5),
        outcome: Outcome::default(),
        usual: Duration::from_secs(1),
        naive: (i64::MIN, 0),
    };
    let mut outcome = month.play().await?;
    outcome.seconds = began.elapsed().as_secs_f64();
    Ok(outcome)
}

impl Month {
    async fn play(mut self) -> Result<Outcome> {
        // The first pull comes before the first event, so that all of them are wanted.
        self.pull_at(START, false).await.context("the first pull failed")?;
        self.double.set_fault_rates(FAULTS, self.plan.seed);
        let interval = i64::from(self.plan.interval_minutes) * MINUTE;
        let settled = self.oracle.settled();
        let (mut now, mut weeks) = (START, 0);
        while now < settled {
            now += interval;
            if self.random.random_bool(self.plan.outages) {
                now += self.random.random_range(1..=3) * DAY;
            }
            if self.random.random_bool(0.02) {
                self.double.inject(Fault::TokenExpired);
            }
            self.pull_at(now, true).await?;
            self.take_naively(now);
            if (now - START) / (7 * DAY) > weeks {
                weeks = (now - START) / (7 * DAY);
                self.say_how_far(weeks);
            }
        }
        // In the end nothing goes wrong any more, and a sweep finds what is left.
        self.double.set_fault_rates(FaultRates::default(), 0);
        for day in 1..=2 {
            self.pull_at(now + day * (DAY + MINUTE), false).await.context("the last pull failed")?;
        }
        let counts = self.double.counts();
        let outcome = &mut self.outcome;
        (outcome.statements, outcome.rows_scanned, outcome.rows_read) =
            (counts.statements, counts.rows_scanned, counts.rows_given);
        outcome.faults = self.double.faults_struck();
        if self.double.most_executions() > 1 {
            outcome.say("a statement was executed twice for one request id".to_owned());
        }
        let (product, oracle, per_week) = (&self.product, &self.oracle, self.plan.statements_per_week);
        tokio::task::block_in_place(|| judge::judge(product, oracle, START, per_week, outcome))?;
        outcome.naive_events = oracle.count("QUERY_HISTORY") as u64;
        outcome.naive_lost = outcome.naive_events - self.naive.1;
        (outcome.peak_bytes, outcome.double_peak_bytes) = (product.peak, peak_memory("self"));
        outcome.kept_bytes = product.bytes();
        Ok(self.outcome)
    }

    /// Pulls at that time of the account's; disturbed pulls may be killed, and may fail.
    async fn pull_at(&mut self, now: i64, disturbed: bool) -> Result<()> {
        self.clock.set(Timestamp::from_micros(now));
        let is_killed = disturbed && self.random.random_bool(self.plan.kills);
        let kill = is_killed.then(|| self.usual.mul_f64(self.random.random()));
        let pull = self.product.pull(kill).await?;
        self.outcome.pulls += 1;
        self.outcome.killed += u64::from(pull.killed);
        self.outcome.pull_seconds += pull.took.as_secs_f64();
        if pull.output.status.success() {
            self.usual = pull.took;
        } else if !pull.killed {
            let said = format!("{}{}", text(&pull.output.stdout), text(&pull.output.stderr));
            if !disturbed {
                bail!("a pull that nothing disturbed failed: {said}");
            }
            self.outcome.failed += 1;
            tracing::info!("a pull failed: {said}");
        }
        Ok(())
    }

    /// The usual recipe at the same pull: what lies beyond the largest cursor seen so far.
    fn take_naively(&mut self, now: i64) {
        let (last, taken) = self.naive;
        let (count, largest) = self.oracle.beyond("QUERY_HISTORY", last, now);
        self.naive = (largest.map_or(last, |largest| largest.max(last)), taken + count);
    }

    #[expect(clippy::print_stderr, reason = "a year takes a while, and people wait for it")]
    fn say_how_far(&self, weeks: i64) {
        let counts = self.double.counts();
        let mib = |bytes: u64| bytes >> 20;
        eprintln!(
            "  seed {}, week {weeks}: {} pulls, {} killed, {} statements, {} rows read; {:.0} s, the last pull {:.1} s, \
             its memory at most {} MiB; kept {} MiB",
            self.plan.seed,
            self.outcome.pulls,
            self.outcome.killed,
            counts.statements,
            counts.rows_given,
            self.outcome.pull_seconds,
            self.usual.as_secs_f64(),
            mib(self.product.peak),
            mib(self.product.bytes())
        );
    }
}
