//! A Snowflake account's days, pulled by the built binary: late rows, long statements, sessions that close later, throttling,
//! and pulls that are killed. Nothing is lost and nothing doubled.

#[path = "../../examples/pull_months/month/mod.rs"]
mod month;

use std::path::Path;

use serde_json::json;
use uncia_model::{Clock as _, SystemClock};
use uncia_snowflake::auth::{KeySize, RsaKey};
use uncia_snowflake_double::{Double, DoubleConfig};

use crate::serve::{Server, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_days_with_kills_lose_and_double_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let plan =
        month::Plan { seed: 11, days: 2, statements_per_week: 1_500, interval_minutes: 240, kills: 0.4, outages: 0.05 };
    let outcome = month::play(Path::new(env!("CARGO_BIN_EXE_uncia")), folder.path(), plan).await.unwrap();
    assert!(outcome.is_right(), "{outcome:#?}");
    assert!(outcome.events > 500 && outcome.killed > 0 && outcome.naive_lost > 0, "{outcome:#?}");
}

/// A server pulls by itself when it starts, goes on where the one before it ended, and judges what is new.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_pulls_by_itself() {
    let home = tempfile::tempdir().unwrap();
    let (data, config) = (home.path().join("data"), home.path().join("uncia.toml"));
    let double = Double::start(DoubleConfig::default()).await.unwrap();
    let key = RsaKey::generate(KeySize::Bits2048).unwrap();
    std::fs::write(home.path().join("key.pem"), key.to_pem().unwrap().expose()).unwrap();
    let public = key.public_base64();
    let script = format!(
        "CREATE ROLE READER; GRANT DATABASE ROLE SNOWFLAKE.SECURITY_VIEWER TO ROLE READER;\n\
         CREATE WAREHOUSE WH; GRANT USAGE ON WAREHOUSE WH TO ROLE READER;\n\
         CREATE USER READER TYPE = SERVICE DEFAULT_ROLE = READER RSA_PUBLIC_KEY = '{public}';\n\
         GRANT ROLE READER TO USER READER;"
    );
    double.run_script(&script).unwrap();
    let text = format!(
        "[detections]\nbundled = false\n[[sources.snowflake]]\nid = \"sf\"\naccount = \"{}\"\nurl = \"{}\"\n\
         user = \"READER\"\nrole = \"READER\"\nwarehouse = \"WH\"\nviews = [\"LOGIN_HISTORY\"]\nstate_minutes = 0\n\
         sign_in = {{ method = \"key_pair\", private_key = \"file:{}\" }}\n",
        double.identifier(),
        double.url(),
        home.path().join("key.pem").display()
    );
    std::fs::write(&config, text).unwrap();
    let rows = || {
        let output = super::command(&data)
            .args(["query", "--format", "ndjson", "SELECT count(*) AS n FROM logs.snowflake_loginhistory"])
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let login = |id: u32| {
        let now = SystemClock.now().to_string();
        let row = json!({
            "EVENT_ID": id, "EVENT_TIMESTAMP": format!("{}Z", now.replace(' ', "T")), "EVENT_TYPE": "LOGIN",
            "USER_NAME": "EVE", "CLIENT_IP": "203.0.113.7", "IS_SUCCESS": "NO"
        });
        double.insert("LOGIN_HISTORY", &row).unwrap();
    };
    for expected in [r#"{"n":1}"#, r#"{"n":2}"#] {
        login(expected.len() as u32 + u32::from(expected.contains('2')));
        let server = Server::start(&data, &config);
        eventually("the sign-in is in the lake", || rows() == expected);
        server.terminate();
    }
    let status = super::command(&data).args(["snowflake", "status", "--json"]).output().unwrap();
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status[0]["view"], "LOGIN_HISTORY");
    assert_eq!(status[0]["problem"], serde_json::Value::Null, "{status}");
}
