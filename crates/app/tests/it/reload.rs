//! Detections are edited under a running server: the new version takes over, what is broken stays as it was.

use std::path::Path;

use serde_json::{Value, json};

use super::serve::{Server, eventually};
use super::{dns_lines, stdout, uncia};

fn rule(folder: &Path, id: &str, source: &str) {
    let yaml = format!(
        "AnalysisType: rule\nRuleID: {id}\nEnabled: true\nFilename: {id}.py\nLogTypes: [Zeek.DNS]\nSeverity: Low\nCreateAlert: false\n"
    );
    std::fs::write(folder.join(format!("{id}.py")), source).unwrap();
    std::fs::write(folder.join(format!("{id}.yml")), yaml).unwrap();
}

fn says(title: &str) -> String {
    format!("def rule(event):\n    return True\n\ndef title(event):\n    return '{title}'\n")
}

fn titles(data: &Path, rule: &str) -> Vec<(String, i64)> {
    let sql = format!(
        "SELECT p_alert_title AS title, count(DISTINCT p_row_id) AS n FROM signals.zeek_dns WHERE p_rule_id = '{rule}' \
         GROUP BY 1 ORDER BY 1"
    );
    let rows = stdout(&uncia(data, &["query", "--json", &sql]));
    let rows: Vec<Value> = serde_json::from_str(&rows).unwrap();
    rows.iter().map(|row| (row["title"].as_str().unwrap().to_owned(), row["n"].as_i64().unwrap())).collect()
}

#[test]
fn edited_detections_take_over_and_broken_ones_stay() {
    let home = tempfile::tempdir().unwrap();
    let (data, rules) = (home.path().join("data"), home.path().join("rules"));
    std::fs::create_dir(&rules).unwrap();
    rule(&rules, "Edited", &says("old"));
    rule(&rules, "Broken", &says("old"));
    rule(&rules, "Unreadable", &says("old"));
    rule(&rules, "Removed", &says("old"));
    let config = home.path().join("uncia.toml");
    let text = format!(
        "[batch]\nmax_wait_ms = 20\n[detections]\nfolders = [\"{}\"]\nworkers = 1\nreload_seconds = 0.05\n\
         [[sources.http]]\nid = \"push\"\nauth = {{ method = \"none\" }}\n",
        rules.display()
    );
    std::fs::write(&config, text).unwrap();
    let list = || {
        let arguments = ["--config", config.to_str().unwrap(), "detections", "list", "--format", "ndjson"];
        let output = uncia(&data, &arguments);
        let rows = String::from_utf8(output.stdout).unwrap();
        let rows = rows.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let words = rows.map(|row| (row["id"].as_str().unwrap().to_owned(), row["serving"].clone()));
        (words.collect::<Vec<_>>(), String::from_utf8(output.stderr).unwrap())
    };

    let server = Server::start(&data, &config);
    assert_eq!(server.post("/http/push", "", &dns_lines(0..5)), 200);
    let judged = |count: i64| {
        let tables = stdout(&uncia(&data, &["tables", "--json"]));
        tables.contains("signals.zeek_dns") && titles(&data, "Broken").iter().map(|(_, n)| n).sum::<i64>() == count
    };
    eventually("the first events are judged", || judged(5));

    rule(&rules, "Edited", &says("new"));
    rule(&rules, "Broken", "def rule(event:\n");
    std::fs::write(rules.join("Unreadable.yml"), "AnalysisType: [rule\n").unwrap();
    std::fs::remove_file(rules.join("Removed.yml")).unwrap();
    rule(&rules, "Added", &says("new"));
    eventually("the edit is taken over", || list().1.contains("Broken: its version before runs"));
    let (words, complaints) = list();
    assert!(words.contains(&("Broken".to_owned(), json!("version before"))), "{words:?}");
    assert!(words.contains(&("Edited".to_owned(), json!(null))), "{words:?}");
    assert!(complaints.contains("SyntaxError: '(' was never closed"), "{complaints}");
    assert!(complaints.contains("Unreadable: its version before runs: its file cannot be read"), "{complaints}");

    assert_eq!(server.post("/http/push", "", &dns_lines(5..12)), 200);
    eventually("the second events are judged", || judged(12));

    // Mended: nothing is left to complain of.
    rule(&rules, "Broken", &says("mended"));
    rule(&rules, "Unreadable", &says("mended"));
    eventually("the mended ones are taken over", || !list().1.contains("version before"));
    assert_eq!(server.post("/http/push", "", &dns_lines(12..13)), 200);
    server.terminate();

    let counts = |pairs: &[(&str, i64)]| pairs.iter().map(|&(title, n)| (title.to_owned(), n)).collect::<Vec<_>>();
    assert_eq!(titles(&data, "Edited"), counts(&[("new", 8), ("old", 5)]));
    assert_eq!(titles(&data, "Added"), counts(&[("new", 8)]));
    assert_eq!(titles(&data, "Broken"), counts(&[("mended", 1), ("old", 12)]));
    assert_eq!(titles(&data, "Unreadable"), counts(&[("mended", 1), ("old", 12)]));
    assert_eq!(titles(&data, "Removed"), counts(&[("old", 5)]));
    assert!(!list().1.contains("version before"), "nothing is served any more");
}
