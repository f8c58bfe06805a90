//! Results: every type's text, partitions, and that skipping rows outside the bounds changes no answer.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use uncia_snowflake_double::{Column, DoubleConfig, Kind};

use crate::client::{START, Scene};

#[tokio::test]
async fn every_type_has_its_text() {
    let scene = Scene::new().await;
    let kinds = [
        ("N", Kind::NUMBER),
        ("D", Kind::Fixed { precision: 10, scale: 2 }),
        ("R", Kind::Real),
        ("T", Kind::Text),
        ("B", Kind::Boolean),
        ("DAY", Kind::Date),
        ("CLOCK", Kind::Time),
        ("LTZ", Kind::TimestampLtz),
        ("NTZ", Kind::TimestampNtz),
        ("TZ", Kind::TimestampTz),
        ("BIN", Kind::Binary),
        ("V", Kind::Variant),
        ("O", Kind::Object),
        ("A", Kind::Array),
    ];
    let columns = kinds.iter().map(|(name, kind)| Column::new(name, *kind)).collect();
    scene.double.create_view("TYPES", "PUBLIC", "ALL_OF_THEM", columns, None);
    let rows = [
        json!({
            "N": "12345678901234567890123456789012345678", "D": "1.5", "R": 1.5, "T": "a\"\n€", "B": true,
            "DAY": "1969-12-31", "CLOCK": "01:02:03.000000004", "LTZ": "1969-12-31T23:59:58.5Z",
            "NTZ": "2023-11-14 22:13:20.123456789", "TZ": "2021-03-19T19:06:59+01:00", "BIN": "00FF",
            "V": {"a": [1, null]}, "O": {"k": "v"}, "A": [1, "x"],
        }),
        json!({"R": "NaN", "N": "-1", "D": "-0.05", "V": "text", "T": ""}),
    ];
    for row in &rows {
        scene.double.insert("TYPES.PUBLIC.ALL_OF_THEM", row).unwrap();
    }
    scene
        .double
        .run_script(
            "GRANT USAGE ON DATABASE TYPES TO ROLE AUDIT_ROLE; GRANT USAGE ON SCHEMA TYPES.PUBLIC TO ROLE AUDIT_ROLE;
             GRANT SELECT ON ALL VIEWS IN SCHEMA TYPES.PUBLIC TO ROLE AUDIT_ROLE;",
        )
        .unwrap();
    let answer = scene.sql("SELECT * FROM TYPES.PUBLIC.ALL_OF_THEM").await;
    assert_eq!(
        answer.rows(),
        &json!([
            [
                "12345678901234567890123456789012345678",
                "1.50",
                "1.5",
                "a\"\n€",
                "true",
                "-1",
                "3723.000000004",
                "-1.500000000",
                "1700000000.123456789",
                "1616177219.000000000 1500",
                "00FF",
                "{\"a\":[1,null]}",
                "{\"k\":\"v\"}",
                "[1,\"x\"]",
            ],
            ["-1", "-0.05", "NaN", "", null, null, null, null, null, null, null, "\"text\"", null, null],
        ])
    );
    let types: Vec<&str> = answer.body["resultSetMetaData"]["rowType"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| column["type"].as_str().unwrap())
        .collect();
    let expected: Vec<&str> = kinds.iter().map(|(_, kind)| kind.name()).collect();
    assert_eq!(types, expected);
}

#[tokio::test]
async fn later_partitions_are_compressed_and_bare() {
    let scene = Scene::with(DoubleConfig { rows_per_partition: 2, ..DoubleConfig::default() }).await;
    for number in 0..5 {
        let at = format!("2026-02-28T00:00:0{number}Z");
        scene.double.insert("LOGIN_HISTORY", &json!({"EVENT_ID": number, "EVENT_TIMESTAMP": at})).unwrap();
    }
    let answer = scene.sql("SELECT EVENT_ID FROM SNOWFLAKE.ACCOUNT_USAGE.LOGIN_HISTORY ORDER BY EVENT_ID").await;
    assert_eq!(answer.rows(), &json!([["0"], ["1"]]));
    let meta = &answer.body["resultSetMetaData"];
    assert_eq!(meta["numRows"], 5);
    let counts: Vec<u64> =
        meta["partitionInfo"].as_array().unwrap().iter().map(|part| part["rowCount"].as_u64().unwrap()).collect();
    assert_eq!(counts, [2, 2, 1]);
    assert!(answer.headers["link"].to_str().unwrap().contains("rel=\"next\""));
    let url = answer.body["statementStatusUrl"].as_str().unwrap();
    for (number, expected) in [(1, r#"{"data":[["2"],["3"]]}"#), (2, r#"{"data":[["4"]]}"#)] {
        let raw = crate::client::request(
            reqwest::Method::GET,
            &format!("{}{url}&partition={number}", scene.double.url()),
            &scene.token(),
        );
        let response = raw.send().await.unwrap();
        assert_eq!(response.headers()["content-encoding"], "gzip");
        let bytes = response.bytes().await.unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&bytes[..]), &mut text).unwrap();
        assert_eq!(text, expected);
    }
    assert_eq!(scene.get(&format!("{url}&partition=3")).await.status, 400);
}

/// Ten rows, one each minute, one without a time; what a condition finds must not depend on the skipping.
#[tokio::test]
async fn bounds_skip_no_row_that_counts() {
    let scene = Scene::new().await;
    for minute in (0..10).rev() {
        let at = format!("2026-02-28T23:5{minute}:00Z");
        scene
            .double
            .insert("QUERY_HISTORY", &json!({"QUERY_ID": minute.to_string(), "END_TIME": at, "START_TIME": at}))
            .unwrap();
    }
    scene.double.insert("QUERY_HISTORY", &json!({"QUERY_ID": "running", "EXECUTION_STATUS": "RUNNING"})).unwrap();
    let view = "SNOWFLAKE.ACCOUNT_USAGE.QUERY_HISTORY";
    let bound = json!({"1": {"type": "TEXT", "value": "2026-02-28T23:53:00Z"}, "2": {"type": "TEXT", "value": "2026-02-28 23:56:00.000000000"}});
    for (condition, expected, scanned) in [
        ("END_TIME >= ?::TIMESTAMP_LTZ AND END_TIME < ?::TIMESTAMP_LTZ", "345", 4),
        ("v.END_TIME > ?::TIMESTAMP_LTZ AND (v.END_TIME <= ?::TIMESTAMP_LTZ)", "456", 4),
        ("? <= END_TIME AND ? > END_TIME", "345", 4),
        ("END_TIME BETWEEN ? AND ?", "3456", 4),
        ("END_TIME >= ?::TIMESTAMP_LTZ OR START_TIME < ?::TIMESTAMP_LTZ", "0123456789", 11),
        ("NOT (END_TIME >= ?) AND START_TIME < ?", "012", 11),
        ("END_TIME >= DATEADD(minute, -5, CURRENT_TIMESTAMP()) AND ? <> ?", "56789", 5),
        ("UPPER(QUERY_ID) <> 'X' AND END_TIME >= ? AND END_TIME < TO_TIMESTAMP_LTZ(?)", "345", 4),
        ("END_TIME IS NULL AND ? <> ?", "running", 11),
        ("END_TIME = ?::TIMESTAMP_LTZ AND START_TIME < ?::TIMESTAMP_LTZ", "3", 1),
    ] {
        let sql = format!("SELECT QUERY_ID FROM {view} v WHERE {condition} ORDER BY QUERY_ID");
        let answer = scene.submit(json!({"statement": sql, "bindings": bound})).await;
        let found: String =
            answer.rows().as_array().unwrap().iter().map(|row| row[0].as_str().unwrap_or_default()).collect();
        assert_eq!(found, expected, "{condition}");
        let looked = scene.double.statements().last().unwrap().views["QUERY_HISTORY"];
        assert_eq!(looked, scanned, "{condition}");
    }
    let with = "WITH b AS (SELECT ?::TIMESTAMP_LTZ AS lo, CURRENT_TIMESTAMP() AS hi) SELECT v.QUERY_ID, b.hi AS __HI FROM SNOWFLAKE.ACCOUNT_USAGE.QUERY_HISTORY v, b WHERE v.END_TIME >= b.lo AND v.END_TIME < b.hi AND v.EXECUTION_STATUS IS NULL ORDER BY 1";
    let answer = scene
        .submit(json!({"statement": with, "bindings": {"1": {"type": "TEXT", "value": "2026-02-28T23:58:00Z"}}}))
        .await;
    assert_eq!(answer.rows(), &json!([["8", "1772323200.000000000"], ["9", "1772323200.000000000"]]));
    assert_eq!(scene.double.statements().last().unwrap().views["QUERY_HISTORY"], 2);
    let shape = scene.sql(&format!("SELECT * FROM {view} LIMIT 0")).await;
    assert_eq!(shape.rows(), &json!([]));
    assert_eq!(shape.body["resultSetMetaData"]["rowType"].as_array().unwrap().len(), 83);
}

#[tokio::test]
async fn hours_are_counted_and_functions_mean_what_they_mean() {
    let scene = Scene::new().await;
    for (id, at) in [("a", "22:10:00"), ("b", "22:59:59.999"), ("b", "22:59:59.999"), ("c", "23:00:00")] {
        let at = format!("2026-02-28T{at}Z");
        scene.double.insert("QUERY_HISTORY", &json!({"QUERY_ID": id, "END_TIME": at})).unwrap();
    }
    let view = "SNOWFLAKE.ACCOUNT_USAGE.QUERY_HISTORY";
    let hours = scene
        .sql(&format!("SELECT DATE_TRUNC('HOUR', END_TIME) AS HOUR, COUNT(DISTINCT QUERY_ID) AS N, COUNT(*) FROM {view} GROUP BY 1 ORDER BY 1"))
        .await;
    assert_eq!(hours.rows(), &json!([["1772316000.000000000", "2", "3"], ["1772319600.000000000", "1", "1"]]));
    for (expression, expected) in [
        ("IFF(1 < 2, 'yes', 'no')", json!("yes")),
        ("NVL(NULL, 'x')", json!("x")),
        ("DATEDIFF(day, '2026-02-27T23:00:00Z'::TIMESTAMP_LTZ, CURRENT_TIMESTAMP())", json!("2")),
        ("DATEADD('month', -1, '2026-03-31T00:00:00Z'::TIMESTAMP_NTZ)", json!("1772236800.000000000")),
        ("'12'::NUMBER", json!("12")),
        ("'1.25'::NUMBER(10,2)", json!("1.25")),
        ("UPPER('a') || 'b'", json!("Ab")),
        ("NULL", Value::Null),
        ("1.5", json!("1.5")),
    ] {
        let answer = scene.sql(&format!("SELECT {expression}")).await;
        assert_eq!(answer.rows(), &json!([[expected]]), "{expression}");
    }
    assert_eq!(scene.sql("SELECT 1 / 2").await.code(), "001003");
}

#[tokio::test]
async fn late_rows_appear_and_revised_rows_change_with_time() {
    let scene = Scene::new().await;
    let row = |reason: Value| json!({"SESSION_ID": "7", "CREATED_ON": "2026-02-28T00:00:00Z", "CLOSED_REASON": reason});
    let id = scene.double.insert_late("SESSIONS", &row(Value::Null), START + 60_000_000).unwrap();
    scene.double.revise("SESSIONS", id, &row(json!("LOGOUT")), START + 120_000_000).unwrap();
    let read = || scene.sql("SELECT SESSION_ID, CLOSED_REASON FROM SNOWFLAKE.ACCOUNT_USAGE.SESSIONS");
    assert_eq!(read().await.rows(), &json!([]));
    scene.advance(60);
    assert_eq!(read().await.rows(), &json!([["7", null]]));
    scene.advance(60);
    assert_eq!(read().await.rows(), &json!([["7", "LOGOUT"]]));
    assert!(scene.double.insert("SESSIONS", &json!({"NO_COLUMN": 1})).is_err());
    assert!(scene.double.insert("SESSIONS", &json!({"CREATED_ON": "soon"})).is_err());
}

#[tokio::test]
async fn what_scripts_did_shows_in_the_views() {
    let scene = Scene::new().await;
    let users = scene
        .sql("SELECT NAME, TYPE, HAS_RSA_PUBLIC_KEY, DISABLED, HAS_MFA FROM SNOWFLAKE.ACCOUNT_USAGE.USERS WHERE DELETED_ON IS NULL ORDER BY NAME")
        .await;
    assert_eq!(
        users.rows(),
        &json!([["ADMIN", null, "false", "false", "false"], ["AUDIT_USER", "SERVICE", "true", "false", "false"]])
    );
    scene.double.insert("USERS", &json!({"NAME": "ADMIN", "HAS_MFA": true})).unwrap();
    scene.double.insert("USERS", &json!({"NAME": "JOE", "HAS_PASSWORD": true, "HAS_MFA": false})).unwrap();
    let users = scene.sql("SELECT NAME, HAS_MFA, LOGIN_NAME FROM SNOWFLAKE.ACCOUNT_USAGE.USERS ORDER BY NAME").await;
    assert_eq!(
        users.rows(),
        &json!([["ADMIN", "true", "ADMIN"], ["AUDIT_USER", "false", "AUDIT_USER"], ["JOE", "false", null]])
    );
    scene
        .double
        .run_script("REVOKE ROLE AUDIT_ROLE FROM USER AUDIT_USER; GRANT ROLE AUDIT_ROLE TO USER AUDIT_USER;")
        .unwrap();
    let grants = scene
        .sql("SELECT ROLE, DELETED_ON IS NULL FROM SNOWFLAKE.ACCOUNT_USAGE.GRANTS_TO_USERS WHERE GRANTEE_NAME = 'AUDIT_USER' ORDER BY 2")
        .await;
    assert_eq!(grants.rows(), &json!([["AUDIT_ROLE", "false"], ["AUDIT_ROLE", "true"]]));
    let keys = scene.sql("SELECT USER_NAME, TYPE FROM SNOWFLAKE.ACCOUNT_USAGE.CREDENTIALS").await;
    assert_eq!(keys.rows(), &json!([["AUDIT_USER", "KEYPAIR"]]));
}

/// An account's zone is that of California until somebody sets it: a client that forgets to say UTC is told so.
#[tokio::test]
async fn times_without_an_offset_need_a_session_in_utc() {
    let scene = Scene::new().await;
    let ask = |sql: &str, zone: &str| {
        let sql = json!({"statement": sql, "parameters": {"timezone": zone}});
        async { scene.submit(sql).await.status }
    };
    for sql in [
        "SELECT '2026-01-01 00:00:00'::TIMESTAMP_LTZ",
        "SELECT COUNT(*) FROM SNOWFLAKE.ACCOUNT_USAGE.LOGIN_HISTORY WHERE EVENT_TIMESTAMP > '2026-01-01'",
        "SELECT DATE_TRUNC('day', CURRENT_TIMESTAMP())",
    ] {
        assert_eq!(ask(sql, "UTC").await, 200, "{sql}");
        assert_eq!(ask(sql, "America/Los_Angeles").await, 422, "{sql}");
    }
    let anywhere = "SELECT DATE_TRUNC('HOUR', '2026-01-01T00:00:00Z'::TIMESTAMP_LTZ), '2026-01-01 00:00:00.000 +0000'::TIMESTAMP_LTZ";
    assert_eq!(ask(anywhere, "Europe/Berlin").await, 200);
    let formats = json!({"statement": "SELECT 1", "parameters": {"timestamp_output_format": "YYYY"}});
    assert_eq!(scene.submit(formats).await.status, 400);
}

/// The law behind skipping: a view with a cursor and one without, of the same rows, answer every condition alike.
#[tokio::test]
async fn skipping_changes_no_answer_of_any_condition() {
    let scene = Scene::new().await;
    let mut random = StdRng::seed_from_u64(11);
    let columns = || {
        vec![
            Column::new("ID", Kind::NUMBER),
            Column::new("AT", Kind::TimestampLtz),
            Column::new("B", Kind::TimestampLtz),
        ]
    };
    scene.double.create_view("LAW", "PUBLIC", "ORDERED", columns(), Some("AT"));
    scene.double.create_view("LAW", "PUBLIC", "PLAIN", columns(), None);
    scene
        .double
        .run_script(
            "GRANT USAGE ON DATABASE LAW TO ROLE AUDIT_ROLE; GRANT USAGE ON SCHEMA LAW.PUBLIC TO ROLE AUDIT_ROLE;
             GRANT SELECT ON ALL VIEWS IN DATABASE LAW TO ROLE AUDIT_ROLE;",
        )
        .unwrap();
    let minute = |minute: u32| format!("2026-02-28T23:{minute:02}:00Z");
    for id in 0..60 {
        let at = if random.random_bool(0.1) { Value::Null } else { json!(minute(random.random_range(0..60))) };
        let row = json!({"ID": id, "AT": at, "B": minute(random.random_range(0..60))});
        for view in ["ORDERED", "PLAIN"] {
            scene.double.insert(&format!("LAW.PUBLIC.{view}"), &row).unwrap();
        }
    }
    let mut skipped = 0;
    for _ in 0..150 {
        let condition = condition(&mut random, 3);
        let sql = |view: &str| format!("SELECT ID FROM LAW.PUBLIC.{view} t WHERE {condition} ORDER BY ID");
        let (ordered, plain) = (scene.sql(&sql("ORDERED")).await, scene.sql(&sql("PLAIN")).await);
        assert_eq!(ordered.rows(), plain.rows(), "{condition}");
        let looked: Vec<usize> = scene
            .double
            .statements()
            .iter()
            .rev()
            .take(2)
            .flat_map(|ran| ran.views.values().copied().collect::<Vec<_>>())
            .collect();
        assert_eq!(looked[0], 60);
        skipped += usize::from(looked[1] < 60);
    }
    assert!(skipped > 30, "only {skipped} conditions skipped anything");
}

fn condition(random: &mut StdRng, depth: u32) -> String {
    let column = ["AT", "t.AT", "B", "t.B"][random.random_range(0..4)];
    let minute = random.random_range(0..60);
    let instant = match random.random_range(0..4) {
        0 => format!("'2026-02-28T23:{minute:02}:00Z'"),
        1 => format!("'2026-02-28 23:{minute:02}:00'::TIMESTAMP_LTZ"),
        2 => format!("DATEADD('minute', -{}, CURRENT_TIMESTAMP())", 60 - minute),
        _ => format!("TO_TIMESTAMP_LTZ('2026-02-28 23:{minute:02}:00.000 +0000')"),
    };
    let compare = ["<", "<=", ">", ">=", "=", "<>"][random.random_range(0..6)];
    if depth == 0 {
        return match random.random_range(0..5) {
            0 => format!("{instant} {compare} {column}"),
            1 => format!("{column} IS NULL"),
            2 => format!("{column} BETWEEN {instant} AND '2026-02-28T23:50:00Z'"),
            _ => format!("{column} {compare} {instant}"),
        };
    }
    let (one, other) = (condition(random, depth - 1), condition(random, depth - 1));
    match random.random_range(0..6) {
        0 => format!("({one} OR {other})"),
        1 => format!("NOT ({one}) AND {other}"),
        2 => one,
        _ => format!("({one}) AND {other}"),
    }
}
