//! A lookup table of the user's own: networks in a CSV file, laid beside events that name addresses in them.

use crate::{cell, command, dns_lines, stdout};

const TABLE: &str = "AnalysisType: lookup_table
LookupName: networks
Enabled: true
Schema: Custom.Networks
Filename: ./networks.csv
LogTypeMap:
  PrimaryKey: network
  AssociatedLogTypes:
    - LogType: Zeek.DNS
      Selectors: [p_any_ip_addresses]
";
const ROWS: &str = "network,name,level\n10.0.0.0/8,inside,1\n10.47.0.0/16,lab,2\n192.0.2.0/24,elsewhere,3\n";
const SCHEMA: &str = "schema: Custom.Networks
fields:
  - {name: network, type: string, required: true}
  - {name: name, type: string}
  - {name: level, type: int}
";
const RULE: &str = "def rule(event):
    return any(row['level'] == 2 for row in event.deep_get('p_enrichment', 'networks', 'p_any_ip_addresses', default=[]))


def title(event):
    rows = event.deep_get('p_enrichment', 'networks', 'p_any_ip_addresses')
    return ', '.join(sorted(f\"{row['name']} {row['p_match']}\" for row in rows))
";
const RULE_YML: &str = "AnalysisType: rule
Filename: where.py
RuleID: Test.Where
Enabled: true
Severity: Info
LogTypes: [Zeek.DNS]
";

#[test]
fn addresses_are_found_in_networks() {
    let home = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(home.path().join(name), text).unwrap();
    for folder in ["content", "schemas"] {
        std::fs::create_dir(home.path().join(folder)).unwrap();
    }
    write("content/networks.yml", TABLE);
    write("content/networks.csv", ROWS);
    write("content/where.yml", RULE_YML);
    write("content/where.py", RULE);
    write("schemas/networks.yml", SCHEMA);
    write("dns.log", &dns_lines(0..3));
    let folder = |name: &str| home.path().join(name).display().to_string();
    write(
        "uncia.toml",
        &format!(
            "[detections]\nfolders = [\"{}\"]\n[schemas]\nfolders = [\"{}\"]\n",
            folder("content"),
            folder("schemas")
        ),
    );
    let data = home.path().join("data");
    let mut ingest = command(&data);
    ingest.arg("--config").arg(home.path().join("uncia.toml")).args(["ingest", "--log-type", "Zeek.DNS"]);
    stdout(&ingest.arg(home.path().join("dns.log")).output().unwrap());
    assert_eq!(cell(&data, "SELECT count(*) FROM rule_matches.zeek_dns"), 3);
    let titles = "SELECT DISTINCT p_alert_title FROM rule_matches.zeek_dns";
    assert_eq!(cell(&data, titles), "inside 10.0.0.100, lab 10.47.1.100");
    // Looking back sees the tables as they are now.
    let replay = || {
        let mut replay = command(&data);
        replay.arg("--config").arg(home.path().join("uncia.toml")).args([
            "replay",
            "--no-yield",
            "--from",
            "2018-01-01",
        ]);
        let found = stdout(&replay.args(["--format", "ndjson"]).output().unwrap());
        let titles =
            found.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["title"].clone());
        titles.collect::<Vec<_>>()
    };
    assert_eq!(replay(), ["inside 10.0.0.100, lab 10.47.1.100"; 3]);
    write("content/networks.csv", &ROWS.replace("lab", "moved"));
    assert_eq!(replay(), ["inside 10.0.0.100, moved 10.47.1.100"; 3]);
}
