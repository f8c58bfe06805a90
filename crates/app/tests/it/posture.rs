//! The bundled controls on an account that is as it should be, beside one that is not.
//!
//! Both accounts' state is taken in as events, so that the tables of state are here those of the logs.

use std::path::Path;

use serde_json::{Map, Value};
use uncia_detection::ControlSet;

use super::queries::{are_as_expected, rows_of, take_in, today};
use super::{stderr, uncia};

#[derive(serde::Deserialize)]
struct Accounts {
    compliant: Map<String, Value>,
    violating: Map<String, Value>,
    /// The evidence by control.
    violations: Map<String, Value>,
}

fn bundled() -> ControlSet {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../content/posture/snowflake");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    ControlSet::load(files.map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap())))
}

#[test]
fn each_control_finds_the_violating_account_alone() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/posture/snowflake.json");
    let accounts: Accounts = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    take_in(&data, "compliant", &accounts.compliant, today());
    take_in(&data, "violating", &accounts.violating, today());
    let set = bundled();
    assert_eq!(set.problems, []);
    for control in &set.controls {
        let found = rows_of(&data, &control.sql.replace("lookups.", "logs."));
        let expected = accounts.violations.get(&control.id).and_then(Value::as_array);
        let expected = expected.unwrap_or_else(|| panic!("{}: no account violates it", control.id));
        let expected: Vec<Map<String, Value>> = expected.iter().map(|row| row.as_object().unwrap().clone()).collect();
        assert!(!expected.is_empty() && are_as_expected(&found, &expected), "{}: found {found:#?}", control.id);
        for row in &found {
            assert_eq!(row["p_source_id"], "violating", "{}", control.id);
            let missing = control.columns.iter().find(|column| !row.contains_key(&column.to_lowercase()));
            assert_eq!(missing, None, "{}: its query has no such column", control.id);
        }
    }
    assert_eq!(accounts.violations.len(), set.controls.len());
}

#[test]
fn without_state_no_control_applies() {
    let home = tempfile::tempdir().unwrap();
    let log = home.path().join("a.ndjson");
    std::fs::write(&log, super::dns_lines(0..1)).unwrap();
    let data = home.path().join("data");
    super::stdout(&uncia(&data, &["ingest", log.to_str().unwrap()]));
    let output = uncia(&data, &["snowflake", "posture", "--json"]);
    let findings: Vec<Value> = serde_json::from_str(&super::stdout(&output)).unwrap();
    assert_eq!(findings.len(), bundled().controls.len());
    for finding in findings {
        assert_eq!(finding["status"], "NOT_APPLICABLE", "{finding}");
    }
    let output = uncia(&data, &["snowflake", "posture", "--control", "No.Such"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("there is no control No.Such; there are Uncia.Posture.Snowflake."));
}
