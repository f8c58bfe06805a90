//! Detections over history find what they found live, and leave no trace.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

use super::{stderr, stdout, uncia};

fn rule(folder: &Path, id: &str, enabled: bool, source: &str) {
    let yaml = format!(
        "AnalysisType: rule\nRuleID: {id}\nEnabled: {enabled}\nFilename: {id}.py\nLogTypes: [Zeek.DNS]\nSeverity: Low\nThreshold: 2\n"
    );
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join(format!("{id}.py")), source).unwrap();
    std::fs::write(folder.join(format!("{id}.yml")), yaml).unwrap();
}

/// DNS lines over some hours, every third with fields that have no column, one of them deep.
fn lines() -> String {
    let line = |n: usize| {
        let odd = if n.is_multiple_of(3) {
            format!(r#","new_field":{{"deep":[{n},null,{{"x":"{n}"}}],"empty":[]}},"answers":["a{n}",{n}]"#)
        } else {
            String::new()
        };
        format!(
            r#"{{"_path":"dns","ts":"2018-03-24T{:02}:15:20.865712Z","uid":"C{n}","id.orig_h":"10.47.1.100","id.orig_p":41772,"id.resp_h":"10.0.0.{}","id.resp_p":53,"proto":"udp","query":"host{n}.example"{odd}}}"#,
            n % 20,
            n % 200,
        ) + "\n"
    };
    (0..600).map(line).collect()
}

/// Puts the whole event into the context, so that any difference shows.
const ALL: &str = "
def rule(event):
    return True

def title(event):
    return event['uid']

def dedup(event):
    return event['uid'][-1]

def alert_context(event):
    return {'event': event.to_dict()}
";
const SOME: &str = "
def rule(event):
    return event.deep_get('new_field', 'deep', default=[1])[0] % 2 == 0

def title(event):
    return 'some'
";
const FAILS: &str = "
def rule(event):
    return event['uid'] in ('C7', 'C8') and event['absent'] == 1
";

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<&String, Value> = members.iter().map(|(key, value)| (key, sorted(value))).collect();
            json!(members)
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// What was found, with contexts as JSON values of sorted keys.
fn set(text: &str, columns: [&str; 5]) -> BTreeSet<[String; 5]> {
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let cell = |value: &Value| match value.as_str().map(serde_json::from_str::<Value>) {
        Some(Ok(json)) => sorted(&json).to_string(),
        Some(Err(_)) | None => sorted(value).to_string(),
    };
    rows.map(|row| columns.map(|name| cell(&row[name]))).collect()
}

#[test]
fn history_gives_what_live_gave_and_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (data, rules, log) = (home.path().join("data"), home.path().join("rules"), home.path().join("dns.log"));
    std::fs::write(&log, lines()).unwrap();
    rule(&rules, "All", true, ALL);
    rule(&rules, "Some", true, SOME);
    rule(&rules, "Fails", true, FAILS);
    rule(&rules, "Off", false, "def rule(event):\n    return event['uid'] == 'C5'\n");
    let content = rules.to_str().unwrap();
    stdout(&uncia(&data, &["ingest", "--detections", content, "--log-type", "Zeek.DNS", log.to_str().unwrap()]));
    let trace = || {
        let tables = stdout(&uncia(&data, &["tables", "--json"]));
        let alerts = stdout(&uncia(&data, &["alerts", "list", "--json"]));
        (tables, alerts)
    };
    let before = trace();

    let period = ["replay", "--no-yield", "--from", "2018-03-01", "--to", "2018-04-01", "--content", content];
    let replay = |more: &[&str]| uncia(&data, &[&period, more].concat());
    let found = replay(&["--format", "ndjson"]);
    let sql = "SELECT p_row_id, p_rule_id, p_alert_title, p_dedup, p_alert_context FROM signals.zeek_dns";
    let live = stdout(&uncia(&data, &["query", "--format", "ndjson", sql]));
    let live = set(&live, ["p_row_id", "p_rule_id", "p_alert_title", "p_dedup", "p_alert_context"]);
    let found = set(&stdout(&found), ["p_row_id", "p_rule_id", "title", "dedup", "alert_context"]);
    assert!(live.len() > 600, "{}", live.len());
    assert_eq!(live.difference(&found).next(), None, "found live only");
    assert_eq!(found.difference(&live).next(), None, "found in history only");

    let forecast: Value = serde_json::from_str(&stdout(&replay(&["--json"]))).unwrap();
    assert_eq!(forecast["events"], json!({"Zeek.DNS": 600}));
    assert_eq!(forecast["detections"]["All"]["matches"], 600);
    assert_eq!(forecast["detections"]["Fails"]["errors"], 2);
    assert_eq!(forecast["detections"]["Off"], json!(null));
    // By the last digit, each in two hours of the day; and every sixth event, in ten hours.
    let all = &forecast["detections"]["All"];
    assert_eq!((&all["groups"], &all["alerts"]), (&json!(20), &json!({"LOW": 20})));
    let some = &forecast["detections"]["Some"];
    assert_eq!((&some["matches"], &some["groups"], &some["alerts"]), (&json!(100), &json!(10), &json!({"LOW": 10})));

    let off: Value = serde_json::from_str(&stdout(&replay(&["--rule", "Off", "--json"]))).unwrap();
    assert_eq!(off["detections"].as_object().unwrap().keys().collect::<Vec<_>>(), ["Off"]);
    assert_eq!(off["detections"]["Off"]["matches"], 1);
    let unknown = replay(&["--rule", "Absent"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr(&unknown).contains("there is no rule Absent"), "{}", stderr(&unknown));
    let part =
        ["replay", "--from", "2018-03-24T03:00:00Z", "--to", "2018-03-24T05:00:00Z", "--content", content, "--json"];
    let part: Value = serde_json::from_str(&stdout(&uncia(&data, &part))).unwrap();
    assert_eq!(part["events"], json!({"Zeek.DNS": 60}));

    assert_eq!(trace(), before);
}
