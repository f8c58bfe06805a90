//! The bundled scheduled queries, each on rows that it must find and on rows of ordinary days.
//!
//! A case file has the query's name, beside this folder in `queries`. Its rows are taken in as events of their log types, so
//! that schemas, lake and dialect are the real ones. `@-1 10:00` in them is yesterday at ten; a row with `repeat: [1, 9]` stands
//! for nine, in which `{n}` is 01 to 09, each `copies` times.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value};
use uncia_detection::{Content, ContentRoot, QuerySpec};

use super::{stderr, stdout, uncia};
use uncia_model::{Clock as _, SystemClock};

const DAY: Duration = Duration::from_secs(86_400);

#[derive(serde::Deserialize)]
struct Case {
    case: String,
    /// By log type.
    rows: Map<String, Value>,
    /// What the rows found must have; there must be as many of them.
    expected: Vec<Map<String, Value>>,
}

pub(crate) fn today() -> u64 {
    u64::try_from(SystemClock.now().micros).unwrap() / 1_000_000 / DAY.as_secs()
}

/// Day and time of `@-1 10:00`, as Snowflake's views write them.
fn moment(text: &str, today: u64) -> Option<String> {
    let (days, time) = text.strip_prefix('@')?.split_once(' ')?;
    let days: i64 = days.parse().ok()?;
    let seconds = (i64::try_from(today).unwrap() + days) * i64::try_from(DAY.as_secs()).unwrap();
    let midnight = uncia_document::Timestamp::from_micros(seconds * 1_000_000).to_string();
    Some(format!("{} {time}:00.000 +0000", &midnight[..10]))
}

/// Replaces moments, also within objects and lists.
pub(crate) fn dated(value: &mut Value, today: u64) {
    match value {
        Value::String(text) => {
            if let Some(moment) = moment(text, today) {
                *text = moment;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| dated(item, today)),
        Value::Object(members) => members.values_mut().for_each(|member| dated(member, today)),
        _ => {}
    }
}

/// The rows that one row stands for.
fn repeated(row: &Value) -> Vec<String> {
    let mut row = row.clone();
    let members = row.as_object_mut().unwrap();
    let Some(range) = members.remove("repeat") else { return vec![row.to_string()] };
    let copies = members.remove("copies").map_or(1, |copies| copies.as_u64().unwrap());
    let (from, to) = (range[0].as_u64().unwrap(), range[1].as_u64().unwrap());
    let text = row.to_string();
    let of_number = |n: u64| (0..copies).map(move |_| n);
    (from..=to).flat_map(of_number).map(|n| text.replace("{n}", &format!("{n:02}"))).collect()
}

/// Takes rows in as events of their log types.
pub(crate) fn take_in(data: &Path, source: &str, rows: &Map<String, Value>, today: u64) {
    let folder = tempfile::tempdir().unwrap();
    for (log_type, rows) in rows {
        let mut lines = String::new();
        for row in rows.as_array().unwrap().iter().flat_map(repeated) {
            let mut row: Value = serde_json::from_str(&row).unwrap();
            dated(&mut row, today);
            lines += &format!("{row}\n");
        }
        let file = folder.path().join("rows.ndjson");
        std::fs::write(&file, lines).unwrap();
        let file = file.to_str().unwrap();
        let output = uncia(data, &["ingest", "--json", "--source", source, "--log-type", log_type, file]);
        let summary: Value = serde_json::from_str(&stdout(&output)).unwrap();
        assert_eq!(summary["failures"], serde_json::json!({}), "{log_type}: {}", stderr(&output));
    }
}

/// The rows of a statement, their columns in small letters.
pub(crate) fn rows_of(data: &Path, sql: &str) -> Vec<Map<String, Value>> {
    let text = stdout(&uncia(data, &["query", "--format", "ndjson", "--", sql]));
    let folded = |line: &str| {
        let row: Map<String, Value> = serde_json::from_str(line).unwrap();
        row.into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect()
    };
    text.lines().map(folded).collect()
}

/// Whether each expected row is one of those found, and there are no others.
pub(crate) fn are_as_expected(found: &[Map<String, Value>], expected: &[Map<String, Value>]) -> bool {
    let mut left: Vec<&Map<String, Value>> = found.iter().collect();
    for wanted in expected {
        let fits = |row: &&Map<String, Value>| wanted.iter().all(|(name, value)| row.get(name) == Some(value));
        let Some(place) = left.iter().position(fits) else { return false };
        left.remove(place);
    }
    left.is_empty()
}

fn check(query: &QuerySpec, case: &Case) {
    // A case that begins before midnight and ends after it is done again.
    let (found, begun) = loop {
        let (home, begun) = (tempfile::tempdir().unwrap(), today());
        take_in(&home.path().join("data"), "account", &case.rows, begun);
        let found = rows_of(&home.path().join("data"), &query.sql);
        if begun == today() {
            break (found, begun);
        }
    };
    let mut expected = Value::from_iter(case.expected.iter().cloned().map(Value::Object));
    dated(&mut expected, begun);
    let expected: Vec<Map<String, Value>> = serde_json::from_value(expected).unwrap();
    assert!(are_as_expected(&found, &expected), "{}, {}: found {found:#?}", query.id, case.case);
}

#[test]
fn each_finds_what_it_must_and_nothing_else() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let content = Content::load([ContentRoot::from(here.join("../../content/detections").as_path())]);
    let mut checked = BTreeSet::new();
    let mut cases: Vec<(&QuerySpec, Case)> = Vec::new();
    for query in &content.queries {
        let stem = Path::new(&query.file).file_stem().unwrap().to_str().unwrap();
        let file = here.join("tests/queries").join(format!("{}.json", stem.trim_end_matches("_query")));
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let of_query: Vec<Case> = serde_json::from_str(&text).unwrap();
        assert!(of_query.iter().any(|case| case.expected.is_empty()), "{}: no ordinary days", query.id);
        assert!(of_query.iter().any(|case| !case.expected.is_empty()), "{}: nothing to find", query.id);
        cases.extend(of_query.into_iter().map(|case| (query, case)));
        checked.insert(file);
    }
    assert!(!cases.is_empty());
    let files = std::fs::read_dir(here.join("tests/queries")).unwrap();
    for file in files.map(|file| file.unwrap().path()) {
        assert!(checked.contains(&file), "{}: there is no such query", file.display());
    }
    std::thread::scope(|scope| {
        for half in cases.chunks(cases.len().div_ceil(2)) {
            scope.spawn(move || half.iter().for_each(|(query, case)| check(query, case)));
        }
    });
}
