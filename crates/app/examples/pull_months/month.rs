//! A simulated stretch of an account's life, pulled by the built binary as often as planned, and held against what truly
//! happened.
//!
//! The double and its virtual clock live here; each pull is a process of its own, which is killed at random, meets
//! throttling and outages, and may stay away for days. What counts is what the lake holds in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;
use uncia_document::Timestamp;
use uncia_model::ManualClock;
use uncia_snowflake::auth::{KeySize, RsaKey};
use uncia_snowflake::setup::{Setup, SignIn};
use uncia_snowflake_double::{Double, DoubleConfig, Fault, FaultRates, Oracle, Simulation};

const MINUTE: i64 = 60_000_000;
const DAY: i64 = 24 * 60 * MINUTE;
/// 2026-03-01 00:00 UTC.
const START: i64 = 1_772_323_200_000_000;
const VIEWS: [&str; 5] = ["LOGIN_HISTORY", "SESSIONS", "QUERY_HISTORY", "ACCESS_HISTORY", "DATA_TRANSFER_HISTORY"];

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

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Events that truly happened, and could be seen.
    pub(crate) events: u64,
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    /// Rows of the lake that never happened.
    pub(crate) strange: u64,
    /// Of sessions and transfers whose last state is not the true one.
    pub(crate) stale: u64,
    pub(crate) pulls: u64,
    pub(crate) killed: u64,
    pub(crate) failed: u64,
    pub(crate) faults: u64,
    pub(crate) statements: u64,
    pub(crate) rows_scanned: u64,
    pub(crate) rows_given: u64,
    /// What "cursor > last maximum" would have lost at the same pulls, of `QUERY_HISTORY` by its end.
    pub(crate) naive_lost: u64,
    pub(crate) naive_events: u64,
    /// What is wrong, a line each; the first of them.
    pub(crate) wrong: Vec<String>,
}

struct Month<'a> {
    binary: &'a Path,
    folder: PathBuf,
    config: PathBuf,
    clock: Arc<ManualClock>,
    double: Double,
    oracle: Oracle,
    plan: Plan,
    random: StdRng,
    pulled_at: Vec<i64>,
    outcome: Outcome,
    /// How long an undisturbed pull takes.
    usual: Duration,
}

/// Plays a plan in a folder that is there and empty.
pub(crate) async fn play(binary: &Path, folder: &Path, plan: Plan) -> Result<Outcome> {
    let clock = Arc::new(ManualClock::at(Timestamp::from_micros(START - DAY)));
    let double =
        Double::start(DoubleConfig { clock: clock.clone(), rows_per_partition: 2_000, ..DoubleConfig::default() });
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
        views: VIEWS.map(str::to_owned).to_vec(),
        imported_privileges: false,
        sign_in: SignIn::KeyPair { public_key: key.public_base64(), second: false },
        addresses: Vec::new(),
    };
    double.run_script(&setup.sql()?)?;
    let config = folder.join("uncia.toml");
    let text = format!(
        "[detections]\nbundled = false\n[[sources.snowflake]]\nid = \"month\"\naccount = \"{}\"\nurl = \"{}\"\n\
         warehouse = \"UNCIA_WH\"\nsign_in = {{ method = \"key_pair\", private_key = \"file:{}\" }}\n\
         interval_minutes = {}\nstate_minutes = 0\nbackfill_hours = 1\n",
        double.identifier(),
        double.url(),
        pem.display(),
        plan.interval_minutes
    );
    std::fs::write(&config, text)?;
    let oracle = double.simulate(&Simulation {
        seed: plan.seed,
        start: START,
        days: plan.days,
        statements_per_week: plan.statements_per_week,
        ..Simulation::default()
    });
    let month = Month {
        binary,
        folder: folder.to_owned(),
        config,
        clock,
        double,
        oracle,
        plan,
        random: StdRng::seed_from_u64(plan.seed ^ 0xA5A5),
        pulled_at: Vec::new(),
        outcome: Outcome::default(),
        usual: Duration::from_secs(2),
    };
    month.play().await
}

impl Month<'_> {
    async fn play(mut self) -> Result<Outcome> {
        // The first pull comes before the first event, so that all of them are wanted.
        self.clock.set(Timestamp::from_micros(START));
        let began = Instant::now();
        let first = self.pull(None).await?;
        if !first.status.success() {
            bail!("the first pull failed: {}{}", text(&first.stdout), text(&first.stderr));
        }
        self.usual = began.elapsed();
        self.double.set_fault_rates(
            FaultRates {
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
            },
            self.plan.seed,
        );
        let interval = i64::from(self.plan.interval_minutes) * MINUTE;
        let mut now = START;
        while now < self.oracle.settled() {
            now += interval;
            if self.random.random_bool(self.plan.outages) {
                now += self.random.random_range(1..=3) * DAY;
            }
            self.clock.set(Timestamp::from_micros(now));
            if self.random.random_bool(0.02) {
                self.double.inject(Fault::TokenExpired);
            }
            let kill = self.random.random_bool(self.plan.kills).then(|| self.usual.mul_f64(self.random.random()));
            let output = self.pull(kill).await?;
            if !output.status.success() && kill.is_none() {
                self.outcome.failed += 1;
                tracing::info!("a pull failed: {}{}", text(&output.stdout), text(&output.stderr));
            }
            self.pulled_at.push(now);
        }
        // In the end nothing goes wrong any more, and a sweep finds what is left.
        self.double.set_fault_rates(FaultRates::default(), 0);
        for day in 1..=2 {
            self.clock.set(Timestamp::from_micros(now + day * (DAY + MINUTE)));
            let output = self.pull(None).await?;
            if !output.status.success() {
                bail!("the last pull failed: {}{}", text(&output.stdout), text(&output.stderr));
            }
        }
        let counts = self.double.counts();
        (self.outcome.statements, self.outcome.rows_scanned, self.outcome.rows_given) =
            (counts.statements, counts.rows_scanned, counts.rows_given);
        self.outcome.faults = self.double.faults_struck();
        if self.double.most_executions() > 1 {
            self.outcome.wrong.push("a statement was executed twice for one request id".to_owned());
        }
        self.judge().await?;
        self.naive();
        Ok(self.outcome)
    }

    /// Runs a pull; killed after the given time.
    async fn pull(&mut self, kill: Option<Duration>) -> Result<Output> {
        let child = self.command(&["snowflake", "pull", "--json"]).spawn().context("cannot start the binary")?;
        let id = child.id();
        let waiting = tokio::task::spawn_blocking(move || child.wait_with_output());
        self.outcome.pulls += 1;
        if let Some(after) = kill {
            tokio::time::sleep(after).await;
            // It may have ended by itself; its id is not given to another process before it was waited for.
            if !waiting.is_finished() {
                self.outcome.killed += 1;
                let status = Command::new("kill").args(["-9", &id.to_string()]).stderr(Stdio::null()).status();
                status.context("cannot run kill")?;
            }
        }
        Ok(waiting.await??)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.binary);
        command.env_remove("UNCIA_CONFIG").env_remove("UNCIA_DATA_DIR");
        command.arg("--data-dir").arg(self.folder.join("data")).arg("--config").arg(&self.config).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn query(&self, sql: &str) -> Result<Vec<Value>> {
        let output = self.command(&["query", "--format", "ndjson", sql]).output()?;
        if !output.status.success() {
            bail!("{sql}: {}", text(&output.stderr));
        }
        text(&output.stdout).lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }

    /// Holds the lake's rows against the truth.
    async fn judge(&mut self) -> Result<()> {
        for view in VIEWS {
            let truth: BTreeMap<String, usize> =
                self.oracle.events(view).map(|event| (event.key, event.versions.len())).collect();
            let (table, key, state) = match view {
                "LOGIN_HISTORY" => ("loginhistory", "EVENT_ID", "''"),
                "SESSIONS" => ("sessions", "SESSION_ID", "coalesce(CLOSED_REASON, '')"),
                "QUERY_HISTORY" => ("queryhistory", "QUERY_ID", "''"),
                "ACCESS_HISTORY" => ("accesshistory", "QUERY_ID", "''"),
                _ => ("datatransferhistory", "START_TIME", "BYTES_TRANSFERRED::varchar"),
            };
            let revised = matches!(view, "SESSIONS" | "DATA_TRANSFER_HISTORY");
            let region = if view == "DATA_TRANSFER_HISTORY" { "TARGET_REGION" } else { "''" };
            let sql = format!(
                "SELECT {key} AS k, {region} AS region, {state} AS state, \
                 coalesce(p_header:revision::bigint, 0) AS revision, p_row_id FROM logs.snowflake_{table}"
            );
            let mut found: BTreeMap<String, BTreeSet<(u64, String)>> = BTreeMap::new();
            let mut ids = BTreeSet::new();
            for row in self.query(&sql)? {
                let cell = |name: &str| row[name].as_str().map_or_else(|| row[name].to_string(), str::to_owned);
                let key = match view {
                    "DATA_TRANSFER_HISTORY" => format!("{} {}", rfc3339(&cell("k")), cell("region")),
                    _ => cell("k"),
                };
                let revision = row["revision"].as_u64().unwrap_or_default();
                if !ids.insert(cell("p_row_id"))
                    || !found.entry(key.clone()).or_default().insert((revision, cell("state")))
                {
                    self.outcome.doubled += 1;
                    self.wrong(format!("{view} {key} is there twice"));
                }
            }
            for (key, rows) in &found {
                if !truth.contains_key(key) {
                    self.outcome.strange += 1;
                    self.wrong(format!("{view} {key} never happened"));
                }
                if !revised && rows.len() > 1 {
                    self.outcome.doubled += 1;
                    self.wrong(format!("{view} {key} is there {} times", rows.len()));
                }
                // Revisions are numbered from 0 without a gap, and differ.
                let numbers: Vec<u64> = rows.iter().map(|(number, _)| *number).collect();
                if numbers != (0..rows.len() as u64).collect::<Vec<_>>() {
                    self.outcome.doubled += 1;
                    self.wrong(format!("{view} {key} has revisions {numbers:?}"));
                }
            }
            for key in truth.keys() {
                self.outcome.events += 1;
                match found.get(key).and_then(|rows| rows.last()) {
                    None => {
                        self.outcome.lost += 1;
                        self.wrong(format!("{view} {key} is lost"));
                    }
                    Some((_, state)) if view == "SESSIONS" && state.is_empty() => {
                        self.outcome.stale += 1;
                        self.wrong(format!("{view} {key} is open still"));
                    }
                    Some(_) => {}
                }
            }
        }
        let failures = self.query("SELECT count(*) AS n FROM monitor.classification_failures").unwrap_or_default();
        if let Some(count) = failures.first().and_then(|row| row["n"].as_u64()).filter(|count| *count > 0) {
            self.wrong(format!("{count} rows became no events"));
        }
        Ok(())
    }

    /// The usual recipe at the same pulls: what lies beyond the largest cursor seen so far.
    fn naive(&mut self) {
        let events: Vec<_> = self.oracle.events("QUERY_HISTORY").collect();
        let mut taken = vec![false; events.len()];
        let mut last = i64::MIN;
        for now in &self.pulled_at {
            let mut largest = last;
            for (event, taken) in events.iter().zip(&mut taken) {
                if event.versions[0] <= *now && event.cursor > last {
                    *taken = true;
                    largest = largest.max(event.cursor);
                }
            }
            last = largest;
        }
        self.outcome.naive_events = events.len() as u64;
        self.outcome.naive_lost = taken.iter().filter(|taken| !**taken).count() as u64;
    }

    fn wrong(&mut self, what: String) {
        if self.outcome.wrong.len() < 20 {
            self.outcome.wrong.push(what);
        }
    }
}

impl Outcome {
    #[must_use]
    pub(crate) fn is_right(&self) -> bool {
        self.lost + self.doubled + self.strange + self.stale == 0 && self.wrong.is_empty() && self.events > 0
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `2026-03-01 00:00:00.000000` as RFC 3339.
fn rfc3339(text: &str) -> String {
    let seconds: String = text.chars().take(19).collect();
    format!("{}Z", seconds.replace(' ', "T"))
}
