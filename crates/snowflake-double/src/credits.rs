//! What the warehouses cost: a model good enough to test estimates against.
//!
//! A statement that reads a view wakes its warehouse; the warehouse runs until it has been idle for `AUTO_SUSPEND`, and is
//! billed by the second, but for no resume less than a minute. Sizes double the price. Cloud services are left out.
//! docs.snowflake.com, "Understanding compute cost".

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::account::state::Account;
use crate::views::derived::time;

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3_600 * SECOND;
const LEAST: i64 = 60 * SECOND;

/// What a warehouse cost until now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Credits {
    /// How often it was woken.
    pub resumes: u64,
    pub billed_seconds: f64,
    pub credits: f64,
}

/// From being woken to its last statement's end.
#[derive(Clone, Copy, Debug)]
struct Run {
    from: i64,
    busy_until: i64,
    /// How long it then stays awake; nothing if it never goes to sleep.
    idle: Option<i64>,
}

impl Run {
    fn sleeps(&self) -> i64 {
        self.idle.map_or(i64::MAX, |idle| self.busy_until.saturating_add(idle))
    }

    /// When billing ends, as far as it is known now.
    fn billed_until(&self, now: i64) -> i64 {
        self.sleeps().min(now.max(self.busy_until)).max(self.from + LEAST)
    }
}

/// The runs of all warehouses.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    runs: BTreeMap<String, Vec<Run>>,
}

impl Meter {
    /// A statement runs on the warehouse from now on, for so long.
    pub(crate) fn use_warehouse(&mut self, name: &str, auto_suspend_seconds: i64, now: i64, takes: i64) {
        let idle = (auto_suspend_seconds > 0).then_some(auto_suspend_seconds * SECOND);
        let until = now.saturating_add(takes);
        let runs = self.runs.entry(name.to_owned()).or_default();
        match runs.last_mut() {
            Some(run) if run.sleeps() >= now => {
                run.busy_until = run.busy_until.max(until);
                run.idle = idle;
            }
            _ => runs.push(Run { from: now, busy_until: until, idle }),
        }
    }

    pub(crate) fn credits(&self, account: &Account, name: &str, now: i64) -> Credits {
        let Some(runs) = self.runs.get(name) else { return Credits::default() };
        let micros: i64 = runs.iter().map(|run| run.billed_until(now) - run.from).sum();
        let billed_seconds = micros as f64 / SECOND as f64;
        let price = account.warehouses.get(name).map_or(1.0, |warehouse| warehouse.credits_per_hour());
        Credits { resumes: runs.len() as u64, billed_seconds, credits: billed_seconds * price / 3_600.0 }
    }

    /// `WAREHOUSE_METERING_HISTORY`: what was billed in each hour.
    pub(crate) fn hours(&self, account: &Account, now: i64) -> Vec<Arc<Map<String, Value>>> {
        let mut billed: BTreeMap<(i64, &str), i64> = BTreeMap::new();
        for (name, runs) in &self.runs {
            for run in runs {
                let (mut at, until) = (run.from, run.billed_until(now));
                while at < until {
                    let hour = at - at.rem_euclid(HOUR);
                    let end = until.min(hour + HOUR);
                    *billed.entry((hour, name)).or_insert(0) += end - at;
                    at = end;
                }
            }
        }
        billed
            .into_iter()
            .map(|((hour, name), micros)| {
                let price = account.warehouses.get(name).map_or(1.0, |warehouse| warehouse.credits_per_hour());
                let credits = format!("{:.9}", micros as f64 / HOUR as f64 * price);
                let row = json!({
                    "START_TIME": time(hour), "END_TIME": time(hour + HOUR), "WAREHOUSE_ID": 1, "WAREHOUSE_NAME": name,
                    "CREDITS_USED": credits, "CREDITS_USED_COMPUTE": credits, "CREDITS_USED_CLOUD_SERVICES": "0",
                    "CREDITS_ATTRIBUTED_COMPUTE_QUERIES": credits,
                });
                match row {
                    Value::Object(row) => Arc::new(row),
                    other => unreachable!("a row is an object, not {other}"),
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::state::Names;

    #[test]
    fn each_resume_costs_a_minute_at_least_and_idling_is_billed() {
        let text = |text: &str| text.to_owned();
        let names = Names { organization: text("O"), account: text("A"), locator: text("L"), region: text("R") };
        let account = Account::new(names, 0);
        let mut meter = Meter::default();
        // A burst of three statements is one resume.
        for at in [0, 1, 2] {
            meter.use_warehouse("WH", 60, at * SECOND, 2 * SECOND);
        }
        let now = 10 * HOUR;
        assert_eq!(
            meter.credits(&account, "WH", now),
            Credits { resumes: 1, billed_seconds: 64.0, credits: 64.0 / 3600.0 }
        );
        meter.use_warehouse("WH", 60, 65 * SECOND, 2 * SECOND);
        assert_eq!(meter.credits(&account, "WH", now).resumes, 2);
        meter.use_warehouse("SHORT", 1, 0, SECOND);
        assert_eq!(meter.credits(&account, "SHORT", now).billed_seconds, 60.0);
        meter.use_warehouse("AWAKE", 0, HOUR / 2, SECOND);
        assert_eq!(meter.credits(&account, "AWAKE", now).billed_seconds, 9.5 * 3600.0);
        let hours: Vec<String> = meter
            .hours(&account, now)
            .iter()
            .filter(|row| row["WAREHOUSE_NAME"] == "AWAKE")
            .map(|row| row["CREDITS_USED"].to_string())
            .collect();
        assert_eq!(hours.len(), 10);
        assert_eq!((hours[0].as_str(), hours[9].as_str()), ("\"0.500000000\"", "\"1.000000000\""));
    }
}
