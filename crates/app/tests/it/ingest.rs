//! Files to rows and alerts, and what is said of what cannot be taken in.

use serde_json::json;

use super::{cell, dns_lines, stderr, stdout, uncia};

#[test]
fn rows_once_however_often_the_file_is_given() {
    let home = tempfile::tempdir().unwrap();
    let (data, logs) = (home.path().join("data"), home.path().join("logs"));
    std::fs::create_dir(&logs).unwrap();
    std::fs::write(logs.join("a.ndjson"), dns_lines(0..300)).unwrap();
    let logs = logs.to_str().unwrap();
    let first: serde_json::Value = serde_json::from_str(&stdout(&uncia(&data, &["ingest", "--json", logs]))).unwrap();
    assert_eq!(first["events"], json!({"Zeek.DNS": 300}));
    let again: serde_json::Value = serde_json::from_str(&stdout(&uncia(&data, &["ingest", "--json", logs]))).unwrap();
    assert_eq!((&again["events"], &again["files_done_before"]), (&json!({}), &json!(1)));
    assert_eq!(cell(&data, "select count(*) from logs.zeek_dns"), json!(300));
    assert_eq!(cell(&data, "SELECT COUNT(DISTINCT P_ROW_ID) FROM panther_logs.public.zeek_dns"), json!(300));
    assert_eq!(
        cell(&data, "SELECT p_event_time FROM logs.zeek_dns WHERE query = 'host7.example'"),
        json!("2018-03-24 17:15:20.865707000")
    );
}

#[test]
fn failures_are_rows_too() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let log = home.path().join("mixed.ndjson");
    std::fs::write(&log, dns_lines(0..2) + "not json at all\n{\"door\":\"open\"}\n").unwrap();
    let said = stdout(&uncia(&data, &["ingest", log.to_str().unwrap()]));
    assert!(said.contains("2 events, 2 failures"), "{said}");
    let rows = stdout(&uncia(
        &data,
        &["query", "--format", "csv", "SELECT reason, payload FROM monitor.classification_failures ORDER BY 2 DESC"],
    ));
    assert_eq!(
        rows,
        "reason,payload\nno_schema_matched,\"{\"\"door\"\":\"\"open\"\"}\"\nno_schema_matched,not json at all\n"
    );
}

#[test]
fn a_rule_matches_and_alerts_once_per_dedup_string() {
    let home = tempfile::tempdir().unwrap();
    let (data, rules) = (home.path().join("data"), home.path().join("rules"));
    std::fs::create_dir(&rules).unwrap();
    std::fs::write(
        rules.join("odd.py"),
        "def rule(event):\n    return event.get('query').startswith('host1')\n\n\ndef title(event):\n    return 'lookup of ' + event.get('query')[:5]\n",
    )
    .unwrap();
    std::fs::write(
        rules.join("odd.yml"),
        "AnalysisType: rule\nRuleID: Test.Odd\nEnabled: true\nFilename: odd.py\nLogTypes: [Zeek.DNS]\nSeverity: High\n",
    )
    .unwrap();
    let log = home.path().join("a.ndjson");
    std::fs::write(&log, dns_lines(0..20)).unwrap();
    let arguments = ["-v", "ingest", "--json", "--detections", rules.to_str().unwrap(), log.to_str().unwrap()];
    let output = uncia(&data, &arguments);
    assert!(stderr(&output).contains("20 pairs of event and detection: "), "{}", stderr(&output));
    let summary: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&summary["matches"], &summary["alerts"]), (&json!(11), &json!({"HIGH": 1})));
    let alerts: serde_json::Value =
        serde_json::from_str(&stdout(&uncia(&data, &["alerts", "list", "--json"]))).unwrap();
    assert_eq!((&alerts[0]["title"], &alerts[0]["events"]), (&json!("lookup of host1"), &json!(11)));
    let id = alerts[0]["id"].as_str().unwrap();
    let of_alert = format!("SELECT count(*) FROM rule_matches.zeek_dns WHERE p_alert_id = '{id}'");
    assert_eq!(cell(&data, &of_alert), json!(11));
    stdout(&uncia(&data, &["alerts", "update", id, "--status", "resolved"]));
    assert!(stdout(&uncia(&data, &["alerts", "show", &id[..8]])).contains("RESOLVED"));
}

#[test]
fn what_cannot_be_taken_in_is_said() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let folder = home.path().join("folder");
    std::fs::create_dir(&folder).unwrap();
    for (arguments, code, part) in [
        (vec!["ingest", folder.to_str().unwrap()], 1, "holds no logs"),
        (vec!["ingest", "no/such/file"], 1, "no such file"),
        (vec!["ingest", "--log-type", "No.Such", "x"], 3, "there is no log type No.Such"),
        (vec!["ingest", "--stream", "words", "x"], 2, "`words` is no stream type"),
        (vec!["query", "SELECT 1"], 3, "there is no data directory"),
    ] {
        let output = uncia(&data, &arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(part), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn a_wrong_statement_is_explained() {
    let home = tempfile::tempdir().unwrap();
    let (data, log) = (home.path().join("data"), home.path().join("a.ndjson"));
    std::fs::write(&log, dns_lines(0..2)).unwrap();
    stdout(&uncia(&data, &["ingest", log.to_str().unwrap()]));
    for (sql, part) in [
        ("SELECT qery FROM logs.zeek_dns", "query"),
        ("SELECT * FROM logs.zeek_dn", "zeek_dns"),
        ("DELETE FROM logs.zeek_dns", "only"),
    ] {
        let output = uncia(&data, &["query", sql]);
        assert_eq!(output.status.code(), Some(1), "{sql}");
        assert!(stderr(&output).contains(part), "{sql}: {}", stderr(&output));
    }
}
