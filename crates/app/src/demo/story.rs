//! The demo's story: one day of an AWS account and a Snowflake account, and the intruder who walks through both.
//!
//! Pure and seeded: the same seed and start give the same records, byte for byte, so that the demo can be repeated and
//! its alerts tested. Records are what the vendors would send; everything after that is the real walk. Addresses and
//! account numbers are those set aside for documentation.

mod attack;
mod aws;
pub(super) mod cast;
mod snowflake;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use uncia_document::Timestamp;

/// A raw record and the moment at which it happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoryEvent {
    pub(crate) at: Timestamp,
    pub(crate) log_type: &'static str,
    /// The record as the vendor sends it: one JSON object.
    pub(crate) raw: String,
}

/// What somebody does to the Snowflake account, beside the records of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccountChange {
    pub(crate) at: Timestamp,
    /// In which role.
    pub(crate) role: &'static str,
    pub(crate) sql: &'static str,
}

/// All that changes the account on the day that begins at `start`, in the order of time.
#[must_use]
pub(crate) fn changes(start: Timestamp) -> Vec<AccountChange> {
    let at = |seconds: i64| Timestamp::from_micros(start.micros + seconds * 1_000_000);
    attack::changes().iter().map(|&(seconds, role, sql)| AccountChange { at: at(seconds), role, sql }).collect()
}

/// The records of the day that begins at `start`, in the order of their time.
#[must_use]
pub(crate) fn story(seed: u64, start: Timestamp) -> Vec<StoryEvent> {
    // Each part has randomness of its own, so that a change to one leaves the others as they are.
    let mut events = Vec::new();
    for (part, tell) in [(1, aws::tell as fn(&mut Narrator)), (2, snowflake::tell), (3, attack::tell)] {
        let mut narrator = Narrator { rng: StdRng::seed_from_u64(seed ^ (part << 56)), start, events };
        tell(&mut narrator);
        events = narrator.events;
    }
    events.sort_by_key(|event| event.at.micros);
    events
}

/// What the parts of the story tell with: time of day, chance, and the records told so far.
struct Narrator {
    rng: StdRng,
    start: Timestamp,
    events: Vec<StoryEvent>,
}

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;

impl Narrator {
    fn tell(&mut self, at: Timestamp, log_type: &'static str, record: &Value) {
        self.events.push(StoryEvent { at, log_type, raw: record.to_string() });
    }

    /// The moment `seconds` after the start.
    fn at(&self, seconds: i64) -> Timestamp {
        Timestamp::from_micros(self.start.micros + seconds * 1_000_000)
    }

    /// The same with a random fraction, in milliseconds, for vendors that give one.
    fn at_about(&mut self, seconds: i64) -> Timestamp {
        Timestamp::from_micros(self.at(seconds).micros + self.rng.random_range(0..1_000) * 1_000)
    }

    fn between(&mut self, from: i64, to: i64) -> i64 {
        self.rng.random_range(from..to)
    }

    /// A moment of the working day, in seconds after the start.
    fn office_hours(&mut self) -> i64 {
        self.between(8 * HOUR + 30 * MINUTE, 17 * HOUR + 30 * MINUTE)
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    fn pick<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.rng.random_range(0..among.len())]
    }

    fn uuid(&mut self) -> String {
        let id: u128 = self.rng.random();
        let hex = format!("{id:032x}");
        format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
    }

    /// As AWS ids are spelled: capital letters and digits.
    fn code(&mut self, prefix: &str, length: usize) -> String {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let mut code = prefix.to_owned();
        while code.len() < length {
            code.push(char::from(self.pick(LETTERS)));
        }
        code
    }
}

/// `2025-03-04T08:02:11Z`, as CloudTrail spells times.
fn rfc3339(at: Timestamp) -> String {
    let text = at.to_string();
    format!("{}T{}Z", &text[..10], &text[11..19])
}

/// `2025-03-04 08:02:11.123 +0000`, as Snowflake's views are rendered.
fn snowflake_time(at: Timestamp) -> String {
    format!("{} +0000", &at.to_string()[..23])
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_741_046_400, 0); // 2025-03-04

    fn parsed() -> Vec<(StoryEvent, Value)> {
        let parse = |event: StoryEvent| {
            let record = serde_json::from_str(&event.raw).unwrap();
            (event, record)
        };
        story(7, START).into_iter().map(parse).collect()
    }

    #[test]
    fn repeats_exactly_and_changes_with_the_seed() {
        assert_eq!(story(7, START), story(7, START));
        assert_ne!(story(7, START), story(8, START));
    }

    #[test]
    fn fills_a_day_in_order() {
        let events = story(7, START);
        assert!((2_000..=5_000).contains(&events.len()), "{} events", events.len());
        assert!(events.is_sorted_by_key(|event| event.at.micros));
        let last = events.last().unwrap().at.micros;
        assert!(events[0].at.micros >= START.micros && last < START.micros + 24 * HOUR * 1_000_000);
    }

    #[test]
    fn the_account_changes_in_order_while_records_tell_of_it() {
        let changes = changes(START);
        assert!(!changes.is_empty() && changes.is_sorted_by_key(|change| change.at.micros));
        let told: Vec<StoryEvent> = story(7, START);
        for change in changes {
            let first = change.sql.split([';', '=']).next().unwrap().trim();
            let is_told = |event: &&StoryEvent| {
                event.raw.contains(first) && (event.at.micros - change.at.micros).abs() < 1_000_000
            };
            assert!(told.iter().any(|event| is_told(&event)), "no statement of the story is {}", change.sql);
        }
    }

    #[test]
    fn tells_the_time_in_the_record() {
        for (event, record) in parsed() {
            let (column, text) = match event.log_type {
                "AWS.CloudTrail" => ("eventTime", rfc3339(event.at)),
                "Snowflake.LoginHistory" => ("EVENT_TIMESTAMP", snowflake_time(event.at)),
                "Snowflake.QueryHistory" => ("START_TIME", snowflake_time(event.at)),
                "Snowflake.AccessHistory" => ("QUERY_START_TIME", snowflake_time(event.at)),
                "Snowflake.DataTransferHistory" => ("USAGE_DATE", snowflake_time(event.at)),
                "Snowflake.Sessions" => ("CREATED_ON", snowflake_time(event.at)),
                other => panic!("no log type of the story: {other}"),
            };
            assert_eq!(record[column], text.as_str(), "{}", event.raw);
        }
    }

    #[test]
    fn only_the_intruder_comes_from_the_strange_address() {
        let mut users = BTreeSet::new();
        for (event, record) in parsed() {
            let address = record.get("sourceIPAddress").or(record.get("CLIENT_IP"));
            if address.and_then(Value::as_str) == Some(cast::STRANGE_ADDRESS) {
                let who = record.get("USER_NAME").unwrap_or(&record["userIdentity"]["userName"]);
                users.insert((event.log_type, who.as_str().unwrap().to_owned()));
            }
        }
        let users: Vec<_> = users.iter().map(|(log_type, user)| format!("{log_type} {user}")).collect();
        assert_eq!(
            users,
            [
                "AWS.CloudTrail build-bot",
                "AWS.CloudTrail reporting",
                "Snowflake.LoginHistory DANA",
                "Snowflake.LoginHistory LENA",
                "Snowflake.LoginHistory MAYA",
                "Snowflake.LoginHistory OMAR",
                "Snowflake.LoginHistory PRIYA",
            ]
        );
    }

    /// Thresholds must not be reached by an ordinary day, even when the whole day is played within one dedup window.
    #[test]
    fn ordinary_failures_and_listings_stay_rare() {
        let mut failures: BTreeMap<String, u32> = BTreeMap::new();
        let mut listings: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (_, record) in parsed() {
            if record["IS_SUCCESS"] == "NO" {
                *failures.entry(record["CLIENT_IP"].to_string()).or_default() += 1;
            }
            let key = record["userIdentity"]["accessKeyId"].as_str().unwrap_or_default();
            if key.starts_with("AKIA") {
                listings
                    .entry(record["sourceIPAddress"].to_string())
                    .or_default()
                    .insert(record["eventName"].to_string());
            }
        }
        let strange = format!("\"{}\"", cast::STRANGE_ADDRESS);
        assert!(failures.remove(&strange).unwrap() >= 5);
        assert!(failures.values().all(|&count| count < 3), "{failures:?}");
        assert!(listings.remove(&strange).unwrap().len() > 12);
        assert!(listings.values().all(|calls| calls.len() < 8), "{listings:?}");
    }
}
