//! What runs by the clock: correlation rules over stored signals, and scheduled queries with the rules on their rows.

use std::path::Path;

use serde_json::json;

use super::{cell, dns_lines, stderr, stdout, uncia};

const RULE: &str = "AnalysisType: rule\nEnabled: true\nLogTypes: [Zeek.DNS]\nSeverity: Low\nCreateAlert: false\n";
const SCHEDULE: &str = "Schedule: {RateMinutes: 60, TimeoutMinutes: 5}";

fn content(folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    let files = [
        ("first.yml", format!("{RULE}RuleID: Test.First\nDetection: [{{Key: query, Condition: StartsWith, Value: host1}}]\nAlertContext: [{{KeyName: name, KeyValue: {{Key: query}}}}]\n")),
        ("second.yml", format!("{RULE}RuleID: Test.Second\nDetection: [{{Key: uid, Condition: EndsWith, Value: '7'}}]\n")),
        (
            "both.yml",
            format!(
                "AnalysisType: correlation_rule\nRuleID: Test.Both\nDisplayName: Both\nEnabled: true\nSeverity: High\nDetection:\n  - {SCHEDULE}\n    LookbackWindowMinutes: 90\n    \
                 Group: [{{ID: a, RuleID: Test.First}}, {{ID: b, RuleID: Test.Second}}]\n    \
                 MatchCriteria: {{name: [{{GroupID: a, Match: p_alert_context.name}}, {{GroupID: b, Match: QUERY}}]}}\n"
            ),
        ),
        (
            "query.yml",
            format!("AnalysisType: scheduled_query\nQueryName: Lookups\nEnabled: true\n{SCHEDULE}\nQuery: SELECT query AS name, count(*) AS n FROM panther_logs.public.zeek_dns GROUP BY 1 ORDER BY 1\n"),
        ),
        (
            "broken.yml",
            format!("AnalysisType: scheduled_query\nQueryName: Broken\nEnabled: true\n{SCHEDULE}\nQuery: SELECT x FROM logs.nowhere\n"),
        ),
        (
            "quiet.yml",
            format!("AnalysisType: scheduled_query\nQueryName: Quiet\nEnabled: true\n{SCHEDULE}\nQuery: SELECT id_orig_h FROM logs.zeek_ssh\n"),
        ),
        (
            "recent.yml",
            format!("AnalysisType: scheduled_query\nQueryName: Recent\nEnabled: true\n{SCHEDULE}\nQuery: SELECT query AS name, count(*) AS n, current_date AS day FROM logs.zeek_dns WHERE p_occurs_since('1 hour') GROUP BY 1\n"),
        ),
        ("often.yml", "AnalysisType: scheduled_rule\nRuleID: Test.Often\nEnabled: true\nSeverity: Medium\nFilename: often.py\nScheduledQueries: [Lookups, Broken, Quiet, Recent]\n".to_owned()),
        ("often.py", "def rule(event):\n    return event['n'] >= 1 and event['NAME'].endswith('7.example')\n\n\ndef title(event):\n    return event['name']\n".to_owned()),
    ];
    for (name, text) in files {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

#[test]
fn once_for_each_instant() {
    let home = tempfile::tempdir().unwrap();
    let (data, rules, log) = (home.path().join("data"), home.path().join("content"), home.path().join("a.ndjson"));
    content(&rules);
    std::fs::write(&log, dns_lines(0..30)).unwrap();
    let with = ["--detections", rules.to_str().unwrap()];
    let summary = stdout(&uncia(&data, &["ingest", "--json", with[0], with[1], log.to_str().unwrap()]));
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    assert_eq!((&summary["matches"], &summary["alerts"]), (&json!(14), &json!({})));

    let run = |id: &str, at: &str| {
        let output = uncia(&data, &["detections", "run", id, "--at", at, "--format", "ndjson", with[0], with[1]]);
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        let row: serde_json::Value = serde_json::from_str(text.trim()).unwrap_or_default();
        (row, stderr(&output), output.status.code())
    };
    // The one lookup that both rules have matched is found once, however often it is looked for.
    let (row, said, code) = run("Test.Both", "2018-03-24T18:00:00Z");
    assert_eq!((&row["matches"], &row["alerts"], code), (&json!(1), &json!(1), Some(0)), "{said}");
    let (row, said, _) = run("Test.Both", "2018-03-24T18:00:00Z");
    assert!(said.contains("had run for 2018-03-24 18:00:00.000000000 before"), "{said}");
    assert_eq!(row["matches"], json!(0));
    assert_eq!(run("Test.Both", "2018-03-24T18:05:00Z").0["matches"], json!(0));
    assert_eq!(run("Test.Both", "2018-03-24T20:00:00Z").0["matches"], json!(0));
    assert_eq!(cell(&data, "SELECT value FROM signals.uncia_correlation"), json!("host17.example"));
    assert_eq!(cell(&data, "SELECT p_alert_title FROM rule_matches.uncia_correlation"), json!("Both [host17.example]"));

    // Rows of a query are judged by its rule.
    let (row, said, _) = run("Lookups", "2018-03-24T18:00:00Z");
    assert_eq!((&row["rows"], &row["matches"], &row["alerts"]), (&json!(30), &json!(3), &json!(3)), "{said}");
    assert!(run("Lookups", "2018-03-24T18:00:30Z").1.contains("before"));
    assert_eq!(cell(&data, "SELECT count(*) FROM rule_matches.uncia_scheduledquery"), json!(3));

    // A log type that is known has no table before its first event, which is no fault.
    let (row, said, code) = run("Quiet", "2018-03-24T18:00:00Z");
    assert_eq!((&row["rows"], &row["problem"], code), (&json!(0), &json!(null), Some(0)), "{said}");

    // A statement that cannot be run is an error of its rule.
    let (row, _, code) = run("Broken", "2018-03-24T18:00:00Z");
    assert_eq!(code, Some(1));
    assert!(row["problem"].as_str().unwrap().contains("nowhere"), "{row}");
    assert_eq!(cell(&data, "SELECT p_rule_id FROM rule_errors.uncia_scheduledquery"), json!("Test.Often"));
    // A query's now is the instant that its run is for, however late it runs.
    let (row, said, _) = run("Recent", "2018-03-24T18:00:00Z");
    assert_eq!((&row["rows"], &row["matches"]), (&json!(30), &json!(3)), "{said}");
    assert_eq!(run("Recent", "2018-03-24T19:00:00Z").0["rows"], json!(0));
    let days = "SELECT DISTINCT row:day::string FROM rule_matches.uncia_scheduledquery WHERE query_name = 'Recent'";
    assert_eq!(cell(&data, days), json!("2018-03-24"));
    let (_, said, code) = run("Nothing", "2018-03-24T18:00:00Z");
    assert_eq!(code, Some(2));
    assert!(said.contains("these do: Broken, Lookups, Quiet, Recent, Test.Both"), "{said}");
    let kinds = stdout(&uncia(&data, &["alerts", "list", "--json"]));
    for kind in ["CORRELATION_RULE", "SCHEDULED_RULE", "SCHEDULED_RULE_ERROR"] {
        assert!(kinds.contains(&format!("\"{kind}\"")), "{kinds}");
    }
}
