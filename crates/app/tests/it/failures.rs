//! Records that failed, replayed once their schema is there; and filters, which drop but count.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::{cell, command, stderr, stdout, uncia};

const GATE: &str = "schema: Custom.Gate\nfields:\n  - {name: gate, type: string, required: true}\n  - {name: at, type: timestamp, timeFormats: [rfc3339], isEventTime: true}\n";

fn gates(range: std::ops::Range<usize>) -> String {
    range.map(|n| format!("{{\"gate\":\"g{n}\",\"at\":\"2024-01-01T00:00:{:02}Z\"}}\n", n % 60)).collect()
}

fn json_of(data: &Path, config: &Path, arguments: &[&str]) -> Json {
    let output = command(data).arg("--config").arg(config).arg("--json").args(arguments).output().unwrap();
    serde_json::from_str(&stdout(&output)).unwrap()
}

#[test]
fn failures_become_events_once_their_schema_is_there() {
    let home = tempfile::tempdir().unwrap();
    let (data, schemas, rules) = (home.path().join("data"), home.path().join("schemas"), home.path().join("rules"));
    let (config, log) = (home.path().join("uncia.toml"), home.path().join("gates.log"));
    std::fs::create_dir(&schemas).unwrap();
    std::fs::create_dir(&rules).unwrap();
    std::fs::write(rules.join("gate.py"), "def rule(event):\n    return event.get('gate') == 'g1'\n").unwrap();
    std::fs::write(
        rules.join("gate.yml"),
        "AnalysisType: rule\nRuleID: Test.Gate\nEnabled: true\nFilename: gate.py\nLogTypes: [Custom.Gate]\nSeverity: High\n",
    )
    .unwrap();
    let settings =
        format!("[schemas]\nfolders = [{:?}]\n[detections]\nfolders = [{:?}]\nworkers = 1\n", schemas, rules);
    std::fs::write(&config, settings).unwrap();
    std::fs::write(&log, gates(0..4) + "no json\n" + &super::dns_lines(0..2)).unwrap();

    let summary = json_of(&data, &config, &["ingest", log.to_str().unwrap()]);
    assert_eq!(summary["failures"], json!({"no_schema_matched": 5}));
    let ids = "SELECT listagg(p_row_id, ',') WITHIN GROUP (ORDER BY p_row_id) FROM";
    let failed = cell(&data, &format!("{ids} monitor.classification_failures WHERE payload LIKE '%gate%'"));
    let listed = json_of(&data, &config, &["failures", "list"]);
    let counts = listed.as_array().unwrap().iter().map(|row| row["failures"].as_u64().unwrap());
    assert_eq!(counts.sum::<u64>(), 5);

    // Nothing is there yet that could take them.
    let summary = json_of(&data, &config, &["failures", "replay"]);
    assert_eq!((&summary["records"], &summary["events"]), (&json!(5), &json!({})));
    assert_eq!(summary["failures"], json!({"no_schema_matched": 5}));

    std::fs::write(schemas.join("gate.yml"), GATE).unwrap();
    let summary = json_of(&data, &config, &["failures", "replay"]);
    assert_eq!(summary["events"], json!({"Custom.Gate": 4}));
    assert_eq!((&summary["failures"], &summary["matches"]), (&json!({"no_schema_matched": 1}), &json!(1)));
    assert_eq!(summary["alerts"], json!({"HIGH": 1}));
    assert_eq!(cell(&data, &format!("{ids} logs.custom_gate")), failed);
    assert_eq!(cell(&data, "SELECT count(*) FROM rule_matches.custom_gate"), json!(1));
    assert_eq!(cell(&data, "SELECT p_source_file:path::varchar FROM logs.custom_gate LIMIT 1"), json!(log.to_str()));
    assert_eq!(cell(&data, "SELECT listagg(payload, ',') FROM monitor.classification_failures"), json!("no json"));

    // Once more, and the file once more: nothing is added.
    let summary = json_of(&data, &config, &["failures", "replay"]);
    assert_eq!((&summary["records"], &summary["events"]), (&json!(1), &json!({})));
    assert_eq!(json_of(&data, &config, &["ingest", log.to_str().unwrap()])["events"], json!({}));
    assert_eq!(cell(&data, "SELECT count(*) FROM logs.custom_gate"), json!(4));
    assert_eq!(cell(&data, "SELECT count(*) FROM signals.custom_gate"), json!(1));
    assert_eq!(cell(&data, "SELECT count(*) FROM monitor.classification_failures"), json!(1));
}

/// Lines whose columns the first lines of their file name: those are kept with the failures, for files and for parts of them.
#[test]
fn lines_come_back_with_the_head_of_their_file() {
    let home = tempfile::tempdir().unwrap();
    let (data, schemas, config) =
        (home.path().join("data"), home.path().join("schemas"), home.path().join("uncia.toml"));
    std::fs::create_dir(&schemas).unwrap();
    std::fs::write(&config, format!("[schemas]\nfolders = [{schemas:?}]\n[detections]\nbundled = false\n")).unwrap();
    let csv = |columns: &str, from: usize| -> String {
        (from..from + 5).fold(format!("{columns}\n"), |text, n| text + &format!("g{n},{n},\"a, b\"\n"))
    };
    std::fs::write(home.path().join("a.csv"), csv("gate,size,note", 0)).unwrap();
    std::fs::write(home.path().join("b.csv"), csv("gate,weight,note", 100)).unwrap();
    for file in ["a.csv", "b.csv"] {
        json_of(&data, &config, &["ingest", home.path().join(file).to_str().unwrap()]);
    }
    // The headers are records, too, as long as nobody knows better.
    assert_eq!(cell(&data, "SELECT count(*) FROM monitor.classification_failures"), json!(12));
    let schema = "schema: Custom.Doors\nparser:\n  csv: {hasHeader: true}\nfields:\n  - {name: gate, type: string, required: true}\n  - {name: size, type: bigint}\n  - {name: weight, type: bigint}\n";
    std::fs::write(schemas.join("doors.yml"), schema).unwrap();
    let summary = json_of(&data, &config, &["failures", "replay", "--log-type", "Custom.Doors"]);
    assert_eq!((&summary["events"], &summary["failures"]), (&json!({"Custom.Doors": 10}), &json!({})), "{summary}");
    assert_eq!(cell(&data, "SELECT sum(size) || '/' || sum(weight) FROM logs.custom_doors"), json!("10/510"));
    assert_eq!(cell(&data, "SELECT count(*) FROM monitor.classification_failures"), json!(0));
}

#[test]
fn records_that_are_no_text_come_back_whole() {
    let home = tempfile::tempdir().unwrap();
    let (data, log) = (home.path().join("data"), home.path().join("a.log"));
    std::fs::write(&log, [b"{\"x\": \"\xff\"}\n".as_slice(), super::dns_lines(0..1).as_bytes()].concat()).unwrap();
    stdout(&uncia(&data, &["ingest", "--stream", "json", log.to_str().unwrap()]));
    assert_eq!(cell(&data, "SELECT payload_blob IS NOT NULL FROM monitor.classification_failures"), json!(true));
    let again: Json = serde_json::from_str(&stdout(&uncia(&data, &["--json", "failures", "replay"]))).unwrap();
    assert_eq!((&again["records"], &again["failures"]), (&json!(1), &json!({"invalid_utf8": 1})));
    assert_eq!(cell(&data, "SELECT count(*) FROM monitor.classification_failures"), json!(1));
    let unknown = uncia(&data, &["failures", "replay", "--log-type", "No.Such"]);
    assert_eq!(unknown.status.code(), Some(3), "{}", stderr(&unknown));
}

#[test]
fn filters_drop_and_count() {
    let home = tempfile::tempdir().unwrap();
    let (data, config, log) = (home.path().join("data"), home.path().join("uncia.toml"), home.path().join("a.ndjson"));
    let settings = r#"
        [[sources.http]]
        id = "push"
        auth = { method = "none" }
        [[sources.http.filters.raw]]
        action = "exclude"
        regex = "host1[0-9]\\.example"
        [[sources.http.filters.events]]
        log_type = "Zeek.DNS"
        action = "include"
        when = { any = [{ key = "query", condition = "IsIn", values = ["host2.example", "host3.example"] }, { key = "uid", condition = "EndsWith", value = "7" }] }
    "#;
    std::fs::write(&config, settings).unwrap();
    std::fs::write(&log, super::dns_lines(0..20) + "no json\n").unwrap();
    let log = log.to_str().unwrap();
    let summary = json_of(&data, &config, &["ingest", "--source", "push", log]);
    assert_eq!((&summary["events"], &summary["filtered"]), (&json!({"Zeek.DNS": 3}), &json!(17)));
    assert_eq!(summary["failures"], json!({"no_schema_matched": 1}));
    let counted = json_of(&data, &config, &["sources"]);
    let of =
        |log_type: Json| counted.as_array().unwrap().iter().find(|row| row["log_type"] == log_type).unwrap().clone();
    assert_eq!((&of(json!(null))["filtered"], &of(json!(null))["failures"]), (&json!(10), &json!(1)));
    assert_eq!((&of(json!("Zeek.DNS"))["filtered"], &of(json!("Zeek.DNS"))["events"]), (&json!(7), &json!(3)));
    // Another source is not filtered.
    assert_eq!(json_of(&data, &config, &["ingest", log])["events"], json!({"Zeek.DNS": 20}));

    let bad = settings.replace("IsIn", "IsWithin");
    std::fs::write(&config, bad).unwrap();
    let refused = command(&data).arg("--config").arg(&config).args(["config", "check"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(3), "{}", stderr(&refused));
    std::fs::write(&config, settings.replace("Zeek.DNS", "Zeek.DSN")).unwrap();
    let refused = command(&data).arg("--config").arg(&config).args(["config", "check"]).output().unwrap();
    assert!(stderr(&refused).contains("source push: there is no log type Zeek.DSN"), "{}", stderr(&refused));
}
