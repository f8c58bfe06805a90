//! What the lake holds, row by row against what truly happened.
//!
//! Some days at a time, so that a year needs no more memory than a week. The judge is put to the test as well: rows that are
//! held back from it, or shown to it twice, must be noticed.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use anyhow::{Result, ensure};
use serde::Deserialize;
use uncia_snowflake_double::{Oracle, TrueEvent};

use super::outcome::Outcome;
use super::product::Product;

const DAY: i64 = 86_400 * 1_000_000;
/// Statements that are judged at a time.
const AT_A_TIME: u32 = 200_000;

/// A view, and where its events are.
struct View {
    name: &'static str,
    table: &'static str,
    /// What tells its events apart.
    key: &'static str,
    region: &'static str,
    /// The column that changes.
    state: Option<&'static str>,
}

const VIEWS: [View; 5] = [
    View { name: "LOGIN_HISTORY", table: "loginhistory", key: "EVENT_ID", region: "''", state: None },
    View { name: "SESSIONS", table: "sessions", key: "SESSION_ID", region: "''", state: Some("CLOSED_REASON") },
    View { name: "QUERY_HISTORY", table: "queryhistory", key: "QUERY_ID", region: "''", state: None },
    View { name: "ACCESS_HISTORY", table: "accesshistory", key: "QUERY_ID", region: "''", state: None },
    View {
        name: "DATA_TRANSFER_HISTORY",
        table: "datatransferhistory",
        key: "START_TIME",
        region: "TARGET_REGION",
        state: Some("BYTES_TRANSFERRED"),
    },
];

pub(crate) fn views() -> Vec<String> {
    VIEWS.iter().map(|view| view.name.to_owned()).collect()
}

/// A row of the lake.
#[derive(Deserialize)]
struct Row {
    key: String,
    region: String,
    state: String,
    revision: u64,
    id: String,
}

/// Rows of one key: revision and state of each.
type Versions = Vec<(u64, String)>;

/// Holds the lake's rows of all views against the truth.
pub(crate) fn judge(
    product: &Product,
    oracle: &Oracle,
    start: i64,
    per_week: u32,
    outcome: &mut Outcome,
) -> Result<()> {
    let days_at_a_time = (AT_A_TIME.saturating_mul(7) / per_week.max(1)).clamp(1, oracle.days().max(1));
    for view in &VIEWS {
        let mut seen = 0;
        let mut first = 0;
        while first < oracle.days() {
            let days = first..(first + days_at_a_time).min(oracle.days());
            let mut rows = Vec::new();
            product.query(&view.sql(start, &days), |line| {
                rows.push(serde_json::from_str::<Row>(line)?);
                Ok(())
            })?;
            seen += rows.len() as u64;
            if first == 0 {
                view.test_the_judge(&rows, oracle, days.clone())?;
            }
            view.hold(rows.iter(), oracle.events_of(view.name, days.clone()), outcome);
            first = days.end;
        }
        let all = product.number(&format!("SELECT count(*) AS n FROM logs.snowflake_{}", view.table))?;
        if all != seen {
            outcome.strange += all.abs_diff(seen);
            outcome.say(format!("{}: {seen} of {all} rows are of the simulated days", view.name));
        }
    }
    let failures = product.number("SELECT count(*) AS n FROM monitor.classification_failures").unwrap_or(0);
    if failures > 0 {
        outcome.say(format!("{failures} rows became no events"));
    }
    Ok(())
}

impl View {
    /// Asks for the rows of events that began on some days.
    fn sql(&self, start: i64, days: &Range<u32>) -> String {
        let Self { table, key, region, state, .. } = self;
        let state = state.map_or_else(|| "''".to_owned(), |state| format!("coalesce({state}::varchar, '')"));
        let at = |day: u32| jiff_text(start + i64::from(day) * DAY);
        format!(
            "SELECT {key}::varchar AS \"key\", {region} AS \"region\", {state} AS \"state\", \
             coalesce(p_header:revision::bigint, 0) AS \"revision\", p_row_id AS \"id\" FROM logs.snowflake_{table} \
             WHERE p_event_time >= '{}'::timestamp AND p_event_time < '{}'::timestamp",
            at(days.start),
            at(days.end)
        )
    }

    fn key_of(&self, row: &Row) -> String {
        match self.name {
            "DATA_TRANSFER_HISTORY" => format!("{} {}", rfc3339(&row.key), row.region),
            _ => row.key.clone(),
        }
    }

    /// Compares rows with the events of the same days.
    fn hold<'a>(
        &self,
        rows: impl Iterator<Item = &'a Row>,
        truth: impl Iterator<Item = TrueEvent>,
        outcome: &mut Outcome,
    ) {
        let mut found: HashMap<String, Versions> = HashMap::new();
        let mut ids = HashSet::new();
        for row in rows {
            let key = self.key_of(row);
            if !ids.insert(u128::from_str_radix(&row.id, 16).unwrap_or_default()) {
                outcome.doubled += 1;
                outcome.say(format!("{} {key}: the id {} is there twice", self.name, row.id));
                continue;
            }
            found.entry(key).or_default().push((row.revision, row.state.clone()));
        }
        for event in truth {
            outcome.events += 1;
            let Some(mut versions) = found.remove(&event.key) else {
                outcome.lost += 1;
                outcome.say(format!("{} {} is lost", self.name, event.key));
                continue;
            };
            versions.sort();
            // Revisions are numbered from 0 without a gap; only views whose rows become news again have more than one.
            let numbers = versions.iter().map(|(number, _)| *number);
            if !numbers.eq(0..versions.len() as u64) || versions.len() > event.versions.len().max(1) {
                outcome.doubled += 1;
                outcome.say(format!("{} {} is there as {versions:?}", self.name, event.key));
            }
            let last = versions.last().map(|(_, state)| state.as_str());
            if self.state.is_some() && last != event.state.as_deref() {
                outcome.stale += 1;
                outcome.say(format!("{} {}: {last:?} is not {:?}", self.name, event.key, event.state));
            }
        }
        outcome.strange += found.len() as u64;
        for key in found.keys().take(3) {
            outcome.say(format!("{} {key} never happened", self.name));
        }
    }

    /// A row held back is lost, a row shown twice is doubled, and each is said.
    fn test_the_judge(&self, rows: &[Row], oracle: &Oracle, days: Range<u32>) -> Result<()> {
        let mut right = Outcome::default();
        self.hold(rows.iter(), oracle.events_of(self.name, days.clone()), &mut right);
        let Some(victim) = rows.iter().position(|row| row.revision == 0) else { return Ok(()) };
        let victim_key = self.key_of(&rows[victim]);
        let others = || rows.iter().filter(|row| self.key_of(row) != victim_key);
        let mut less = Outcome::default();
        self.hold(others(), oracle.events_of(self.name, days.clone()), &mut less);
        ensure!(less.lost == right.lost + 1, "the judge of {} does not see that a row is missing", self.name);
        let mut more = Outcome::default();
        self.hold(rows.iter().chain([&rows[victim]]), oracle.events_of(self.name, days), &mut more);
        ensure!(more.doubled == right.doubled + 1, "the judge of {} does not see a row twice", self.name);
        Ok(())
    }
}

fn jiff_text(micros: i64) -> String {
    uncia_document::Timestamp::from_micros(micros).to_string()
}

/// `2026-03-01 00:00:00.000000` as RFC 3339.
fn rfc3339(text: &str) -> String {
    let seconds: String = text.chars().take(19).collect();
    format!("{}Z", seconds.replace(' ', "T"))
}
