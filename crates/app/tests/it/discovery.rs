//! Fields that no schema knows become columns while data flows, and stay columns after a restart.

use serde_json::json;

use super::{cell, command, stderr, stdout};

const DOOR: &str = "schema: Custom.Door\nfieldDiscoveryEnabled: true\nfields:\n  - {name: door, type: string, required: true}\n  - {name: who, type: object, fields: [{name: id, type: string}]}\n";

#[test]
fn unknown_fields_become_columns() {
    let home = tempfile::tempdir().unwrap();
    let (data, schemas, config) = (home.path().join("data"), home.path().join("schemas"), home.path().join("u.toml"));
    std::fs::create_dir(&schemas).unwrap();
    std::fs::write(schemas.join("door.yml"), DOOR).unwrap();
    std::fs::write(&config, format!("[schemas]\nfolders = [{schemas:?}]\n[batch]\nmax_records = 2\n")).unwrap();
    let ingest = |name: &str, lines: &str| {
        let log = home.path().join(name);
        std::fs::write(&log, lines).unwrap();
        let output =
            command(&data).arg("--config").arg(&config).args(["ingest", "--json", log.to_str().unwrap()]).output();
        let summary: serde_json::Value = serde_json::from_str(&stdout(&output.unwrap())).unwrap();
        assert_eq!(summary["failures"], json!({}), "{summary}");
    };
    // Three batches: fields appear in the first and the second, and change their kind in the third.
    ingest(
        "a.log",
        "{\"door\":\"a\",\"n\":1}\n{\"door\":\"b\"}\n{\"door\":\"c\",\"n\":2,\"who\":{\"id\":\"1\",\"group\":\"g\"}}\n{\"door\":\"d\",\"@src\":\"10.0.0.9\"}\n{\"door\":\"e\",\"n\":\"many\"}\n{\"door\":\"f\",\"n\":3,\"@src\":\"10.0.0.8\"}\n",
    );
    let of = |sql: &str| cell(&data, sql);
    // The batch that shows a field first keeps it in p_extra, later ones in the column.
    assert_eq!(of("SELECT sum(n) FROM logs.custom_door"), json!(5));
    assert_eq!(of("SELECT p_extra:n::int FROM logs.custom_door WHERE door = 'a'"), json!(1));
    assert_eq!(of("SELECT p_extra:n::varchar FROM logs.custom_door WHERE door = 'e'"), json!("many"));
    assert_eq!(of("SELECT count(*) FROM logs.custom_door WHERE p_extra IS NOT NULL"), json!(4));
    assert_eq!(of("SELECT p_extra:who.group FROM logs.custom_door WHERE door = 'c'"), json!("g"));
    assert_eq!(of("SELECT at_sign_src FROM logs.custom_door WHERE door = 'f'"), json!("10.0.0.8"));
    // What was guessed to be an address is an indicator from then on.
    let found = "SELECT count(*) FROM logs.custom_door WHERE array_contains('10.0.0.8'::variant, p_any_ip_addresses)";
    assert_eq!(of(found), json!(1));
    // The next process knows what this one found.
    ingest("b.log", "{\"door\":\"g\",\"n\":\"\",\"@src\":\"10.0.0.7\"}\n{\"door\":\"h\",\"n\":4,\"more\":true}\n");
    assert_eq!(of("SELECT sum(n) FROM logs.custom_door"), json!(9));
    assert_eq!(of(&found.replace("10.0.0.8", "10.0.0.7")), json!(1));
    ingest("c.log", "{\"door\":\"i\",\"more\":false,\"who\":{\"group\":\"h\"}}\n");
    assert_eq!(of("SELECT count(*) FROM logs.custom_door WHERE NOT more"), json!(1));
    assert_eq!(of("SELECT who:group FROM logs.custom_door WHERE door = 'i'"), json!("h"));
}

#[test]
fn a_repository_of_schemas_and_tests_runs_as_it_is() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let (schema, tests) = (home.path().join("door.yml"), home.path().join("door_tests.yml"));
    std::fs::write(&schema, DOOR).unwrap();
    let good = "name: a door\nlogType: Custom.Door\ninput: |\n  {\"door\": \"a\"}\nresult: |\n  {\"door\": \"a\", \"p_log_type\": \"{{.LogType}}\"}\n";
    std::fs::write(&tests, good).unwrap();
    let folder = home.path().to_str().unwrap();
    let passed = command(&data).args(["schema", "test", folder]).output().unwrap();
    assert!(stderr(&passed).contains("1 tests beside them: 0 differ"), "{}", stderr(&passed));
    assert!(passed.status.success());
    std::fs::write(&tests, format!("{good}---\n{}", good.replace("\"a\", ", "\"b\", "))).unwrap();
    let failed =
        command(&data).args(["schema", "test", schema.to_str().unwrap(), tests.to_str().unwrap()]).output().unwrap();
    assert_eq!(failed.status.code(), Some(1));
    assert!(stderr(&failed).contains("`door` is \"a\", expected \"b\""), "{}", stderr(&failed));

    let log = home.path().join("a.log");
    std::fs::write(&log, "{\"door\":\"a\"}\n{\"window\":1}\n").unwrap();
    let parsed = command(&data)
        .args(["schema", "parse", "--path", folder, "--schemas", "Custom.Door,Zeek.DNS", log.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(parsed.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&parsed.stdout).starts_with("{\"door\":\"a\",\"p_log_type\":\"Custom.Door\""));
    assert!(stderr(&parsed).contains("record 1: none of 2 log types fits"), "{}", stderr(&parsed));

    let out = home.path().join("out");
    stdout(&command(&data).args(["schema", "export", "--path", out.to_str().unwrap()]).output().unwrap());
    assert!(out.join("zeek/Zeek.DNS.yml").is_file());
    let inferred = command(&data).args(["schema", "infer", "--name", "Custom.Window", log.to_str().unwrap()]).output();
    let text = stdout(&inferred.unwrap());
    assert!(text.starts_with("schema: Custom.Window\nfields:\n  - name: door\n    type: string\n"), "{text}");
}
