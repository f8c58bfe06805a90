//! Processes that want the same data directory: one writes at a time, the others are refused and come again; triage goes on
//! beside them. Nothing is lost, nothing counts twice, and no status is undone.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::{cell, dns_lines, stderr, stdout, uncia};

const FILES: usize = 3;
const LINES: usize = 30;

fn files(home: &Path) -> Vec<PathBuf> {
    (0..2 * FILES)
        .map(|n| {
            let file = home.join(format!("{n}.ndjson"));
            std::fs::write(&file, dns_lines(n * LINES..(n + 1) * LINES)).unwrap();
            file
        })
        .collect()
}

/// Takes files in, one process each; how often it was refused.
fn take_in(data: &Path, rules: &Path, files: &[PathBuf]) -> usize {
    let mut refused = 0;
    for file in files {
        loop {
            let arguments = ["ingest", "--detections", rules.to_str().unwrap(), file.to_str().unwrap()];
            let output = uncia(data, &arguments);
            match output.status.code() {
                Some(0) => break,
                Some(5) => {
                    assert!(stderr(&output).contains("is in use by uncia ingest (process"), "{}", stderr(&output));
                    refused += 1;
                }
                _ => panic!("{:?}: {}", output.status, stderr(&output)),
            }
        }
    }
    refused
}

/// Triages whatever there is, until nothing more will come; which alerts it touched.
fn triage(data: &Path, done: &AtomicBool) -> std::collections::BTreeSet<String> {
    let mut touched = std::collections::BTreeSet::new();
    loop {
        let is_last = done.load(Ordering::Acquire);
        let listed = uncia(data, &["alerts", "list", "--json"]);
        // The directory is made by the first command that writes.
        let alerts = if listed.status.success() { serde_json::from_str(&stdout(&listed)).unwrap() } else { json!([]) };
        for alert in alerts.as_array().unwrap() {
            let id = alert["id"].as_str().unwrap().to_owned();
            if touched.insert(id.clone()) {
                stdout(&uncia(data, &["alerts", "update", &id, "--status", "triaged"]));
            }
        }
        if is_last {
            return touched;
        }
    }
}

#[test]
fn one_writes_at_a_time_and_triage_beside_it() {
    let home = tempfile::tempdir().unwrap();
    let (data, rules) = (home.path().join("data"), home.path().join("rules"));
    std::fs::create_dir(&rules).unwrap();
    let source = "def rule(event):\n    return True\n\n\ndef dedup(event):\n    return event['uid'][-1]\n";
    std::fs::write(rules.join("all.py"), source).unwrap();
    let yaml = "AnalysisType: rule\nRuleID: Test.All\nEnabled: true\nFilename: all.py\nLogTypes: [Zeek.DNS]\nSeverity: High\nDedupPeriodMinutes: 1440\nThreshold: 5\n";
    std::fs::write(rules.join("all.yml"), yaml).unwrap();
    let files = files(home.path());
    let (one, two) = files.split_at(FILES);

    let done = AtomicBool::new(false);
    let (refused, touched) = std::thread::scope(|scope| {
        let triaging = scope.spawn(|| triage(&data, &done));
        let writing = [one, two].map(|files| scope.spawn(|| take_in(&data, &rules, files)));
        let refused: usize = writing.map(|thread| thread.join().unwrap()).into_iter().sum();
        done.store(true, Ordering::Release);
        (refused, triaging.join().unwrap())
    });
    assert!(refused > 0, "they did not meet");
    assert_eq!(cell(&data, "SELECT count(DISTINCT p_row_id) FROM logs.zeek_dns"), json!(2 * FILES * LINES));
    assert_eq!(cell(&data, "SELECT count(*) FROM rule_matches.zeek_dns"), json!(2 * FILES * LINES));
    let alerts: Value = serde_json::from_str(&stdout(&uncia(&data, &["alerts", "list", "--json"]))).unwrap();
    let alerts = alerts.as_array().unwrap();
    // One for each last digit.
    assert_eq!((alerts.len(), touched.len()), (10, 10));
    for alert in alerts {
        assert_eq!(
            (&alert["events"], &alert["status"]),
            (&json!(2 * FILES * LINES / 10), &json!("TRIAGED")),
            "{alert}"
        );
    }
}
