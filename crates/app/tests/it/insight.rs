//! The report on a person: the score with its reasons, and what is said of somebody nobody knows.

use serde_json::{Map, Value, json};

use super::queries::{take_in, today};
use super::{stderr, stdout, uncia};

/// Statements of somebody who carries data away beside three who do their work, and the sign-ins of two.
fn events() -> Map<String, Value> {
    let statement = |user: &str, kind: &str, text: &str, bytes: u64, rows: u64| {
        json!({
            "QUERY_ID": format!("{user} {text}"), "QUERY_TEXT": text, "QUERY_TYPE": kind, "USER_NAME": user, "ROLE_NAME": "ANALYST",
            "USER_TYPE": "PERSON", "EXECUTION_STATUS": "SUCCESS", "START_TIME": "@-1 10:00", "BYTES_WRITTEN_TO_RESULT": bytes,
            "ROWS_UNLOADED": rows,
        })
    };
    let login = |user: &str, at: &str, ip: &str, second: Option<&str>| {
        json!({
            "EVENT_ID": format!("{user} {at}"), "EVENT_TIMESTAMP": at, "EVENT_TYPE": "LOGIN", "USER_NAME": user, "CLIENT_IP": ip,
            "FIRST_AUTHENTICATION_FACTOR": "PASSWORD", "SECOND_AUTHENTICATION_FACTOR": second, "IS_SUCCESS": "YES",
        })
    };
    let mut statements = vec![
        statement("DANA", "UNLOAD", "COPY INTO @~/x FROM T", 900_000_000, 4_812_345),
        statement("DANA", "GET_FILES", "GET @~/x file:///tmp", 0, 0),
    ];
    statements.extend(["MAYA", "ERIN", "NOAH"].map(|user| statement(user, "SELECT", "SELECT 1", 1_000, 0)));
    let logins = [
        login("DANA", "@-60 08:00", "192.0.2.17", Some("PASSKEY")),
        login("DANA", "@-1 08:00", "203.0.113.66", None),
        login("MAYA", "@-60 08:00", "192.0.2.17", Some("PASSKEY")),
        login("MAYA", "@-1 08:00", "192.0.2.17", Some("PASSKEY")),
    ];
    let mut events = Map::new();
    events.insert("Snowflake.QueryHistory".to_owned(), statements.into());
    events.insert("Snowflake.LoginHistory".to_owned(), logins.to_vec().into());
    events
}

#[test]
fn the_score_has_its_reasons() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    take_in(&data, "prod", &events(), today());
    let report = |arguments: &[&str]| {
        let output = uncia(&data, &[&["snowflake", "insight", "--json"][..], arguments].concat());
        serde_json::from_str::<Value>(&stdout(&output)).unwrap()
    };
    let dana = report(&["dana"]);
    let reasons = dana["risk"]["reasons"].as_array().unwrap();
    let texts: Vec<&str> = reasons.iter().map(|reason| reason["reason"].as_str().unwrap()).collect();
    assert_eq!(
        texts,
        [
            "took 900000 times the bytes of results that others of role ANALYST take in the middle (3 of them)",
            "unloaded 4812345 rows in 1 statements",
            "downloaded files from stages 1 times",
            "signed in with a password alone 1 times, last from 203.0.113.66",
            "signed in from networks that were never used before: 203.0",
        ]
    );
    assert_eq!((&dana["risk"]["points"], &dana["risk"]["level"]), (&json!(80), &json!("CRITICAL")));
    assert_eq!(dana["sections"]["sign_ins"][0]["client_ip"], "203.0.113.66");
    assert_eq!(dana["sections"]["data_moved"][0]["unloaded_rows"], 4_812_345);
    assert_eq!(dana["unanswered"]["profile"], "there is no table lookups.snowflake_users");

    let maya = report(&["MAYA", "--exact", "--source", "prod"]);
    assert_eq!((&maya["risk"]["points"], &maya["risk"]["level"]), (&json!(0), &json!("LOW")));

    let text = stdout(&uncia(&data, &["snowflake", "insight", "DANA"]));
    assert!(text.starts_with("DANA: risk 80 of 100, CRITICAL (the last 30 days)\n"), "{text}");
    for user in ["NOBODY", "DANA' OR '1'='1"] {
        let output = uncia(&data, &["snowflake", "insight", user]);
        assert_eq!(output.status.code(), Some(2), "{}", stdout(&output));
        assert!(stderr(&output).contains("nothing is known of the user"), "{}", stderr(&output));
    }
    let elsewhere = uncia(&data, &["snowflake", "insight", "DANA", "--source", "other"]);
    assert_eq!(elsewhere.status.code(), Some(2));
}
