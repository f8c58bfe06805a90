//! What pulling costs is read off the account's own history: our statements, the time that they keep a warehouse awake, and
//! what the account meters.

use std::fmt::Write as _;

use serde_json::{Value, json};
use uncia_document::Timestamp;
use uncia_model::{Clock as _, SystemClock};

use crate::{stdout, uncia};

const HOUR: i64 = 3_600_000_000;

fn time(micros: i64) -> String {
    Timestamp::from_micros(micros).to_string().replace(' ', "T") + "Z"
}

#[test]
fn credits_are_counted_by_source_view_and_day() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    // Noon of yesterday and of the day before.
    let noon = (SystemClock.now().micros / (24 * HOUR) - 1) * 24 * HOUR + 12 * HOUR;
    let (mut queries, mut hours) = (String::new(), String::new());
    let mut statement = |tag: Value, begin: i64, seconds: i64| {
        let row = json!({
            "QUERY_ID": format!("q{begin}{tag}"), "QUERY_TEXT": "SELECT", "USER_NAME": "UNCIA", "WAREHOUSE_NAME": "WH",
            "WAREHOUSE_SIZE": "Small", "QUERY_TAG": tag.to_string(), "EXECUTION_STATUS": "SUCCESS", "QUERY_TYPE": "SELECT",
            "START_TIME": time(begin), "END_TIME": time(begin + seconds * 1_000_000), "TOTAL_ELAPSED_TIME": seconds * 1_000,
            "BYTES_SCANNED": 1_000, "CREDITS_USED_CLOUD_SERVICES": 0.001, "SESSION_ID": 1
        });
        writeln!(queries, "{row}").unwrap();
    };
    let ours = |view: &str| json!({"app": "uncia", "source": "prod", "view": view});
    for day in [0, -24 * HOUR] {
        statement(ours("SESSIONS"), noon + day, 30);
        statement(ours("QUERY_HISTORY"), noon + day + 10_000_000, 20);
        statement(ours("QUERY_HISTORY"), noon + day + HOUR, 60);
        let hour = json!({"START_TIME": time(noon + day), "END_TIME": time(noon + day + HOUR), "WAREHOUSE_ID": 1, "WAREHOUSE_NAME": "WH", "CREDITS_USED": 0.5});
        writeln!(hours, "{hour}").unwrap();
    }
    // Nobody else's, whoever they say they are.
    statement(json!({"app": "other"}), noon, 3_000);
    statement(json!({"app": "uncia", "source": "test", "view": "SESSIONS"}), noon, 3_000);
    for (log_type, rows) in [("Snowflake.QueryHistory", queries), ("Snowflake.WarehouseMeteringHistory", hours)] {
        let file = home.path().join(log_type);
        std::fs::write(&file, rows).unwrap();
        let file = file.display().to_string();
        stdout(&uncia(&data, &["ingest", "--source", "prod", "--log-type", log_type, &file]));
    }
    let config = home.path().join("uncia.toml");
    let source =
        "[[sources.snowflake]]\nid = \"prod\"\naccount = \"acme-main\"\nwarehouse = \"WH\"\ninterval_minutes = 60\n";
    std::fs::write(&config, source).unwrap();
    let cost = |arguments: &[&str]| -> Value {
        let output = super::command(&data)
            .arg("--config")
            .arg(&config)
            .args(["snowflake", "cost", "--json"])
            .args(arguments)
            .output();
        serde_json::from_str(&stdout(&output.unwrap())).unwrap()
    };

    // Twice a day awake, for 90 and 120 seconds, of a warehouse of two credits an hour.
    let rows = cost(&[]);
    assert_eq!(
        rows,
        json!([{
            "source": "prod", "days": 2, "statements": 6, "running_s": 220.0, "bytes_scanned": 6_000, "awake_h": 0.117,
            "credits": 0.233, "cloud_credits": 0.006, "credits_a_day": 0.117, "expected_a_day": 0.467, "metered_a_day": 0.5
        }])
    );
    let views = cost(&["prod", "--by", "view"]);
    assert_eq!(views.as_array().unwrap().len(), 2);
    assert_eq!((&views[0]["view"], &views[0]["statements"]), (&json!("QUERY_HISTORY"), &json!(4)));
    let days = cost(&["--by", "day"]);
    assert_eq!(days.as_array().unwrap().len(), 2);
    assert_eq!((&days[1]["day"], &days[1]["awake_h"]), (&json!(time(noon)[..10]), &json!(0.058)));
    assert_eq!(cost(&["--by", "day", "--days", "1"]).as_array().unwrap().len(), 1);
}
