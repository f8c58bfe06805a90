//! The Snowflake content of a checkout of panther-analysis, on the story of the demo: rows come through the puller, rules and
//! queries are the published files, enabled. Which of them fire, and for whom.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::queries::rows_of;
use super::{command, stderr, stdout};

/// Soon after the story's day, which is 2026-03-02.
const AT: &str = "2026-03-03T00:30:00Z";
/// What runs by the clock, correlation rules after the rules whose signals they read.
const BY_THE_CLOCK: &[&str] = &[
    "Query.Snowflake.AccountAdminGranted",
    "Query.Snowflake.ClientIp",
    "Query.Snowflake.ConfigurationDrift",
    "Query.Snowflake.CopyIntoStage",
    "Query.Snowflake.External.Shares",
    "Query.Snowflake.FailedLogins",
    "Query.Snowflake.FileDownloaded",
    "Query.Snowflake.KeyUserPasswordLogin",
    "Query.Snowflake.MFALogin",
    "Query.Snowflake.Multiple.Logins.Followed.By.Success",
    "Query.Snowflake.SuspectedUserAccess",
    "Query.Snowflake.TempStageCreated",
    "Query.Snowflake.UserCreated",
    "Query.Snowflake.UserEnabled",
    "Snowflake User Daily Query Volume Spike",
    "Suspicious Snowflake Sessions - Unusual Application",
    "Snowflake.Data.Exfiltration.Group",
    "Snowflake.Stream.DataExfiltration.Group",
    "Snowflake.PotentialBruteForceSuccess.Group",
];

/// Copies files whose names begin so, enabled.
fn copy(from: &Path, to: &Path, beginning: &str) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let name = entry.file_name();
        if entry.path().is_file() && name.to_string_lossy().starts_with(beginning) {
            let text = std::fs::read_to_string(entry.path()).unwrap().replace("\nEnabled: false", "\nEnabled: true");
            std::fs::write(to.join(name), text).unwrap();
        }
    }
}

/// Three weeks in which the intruder's victim fetched a little each day.
fn before_the_story(data: &Path, folder: &Path) {
    let mut lines = String::new();
    for day in 9..29 {
        let row = json!({
            "QUERY_ID": format!("history-{day}"), "QUERY_TEXT": "SELECT 1", "QUERY_TYPE": "SELECT", "USER_NAME": "DANA",
            "EXECUTION_STATUS": "SUCCESS", "START_TIME": format!("2026-02-{day:02} 15:00:00.000 +0000"),
            "END_TIME": format!("2026-02-{day:02} 15:00:01.000 +0000"), "BYTES_WRITTEN_TO_RESULT": 120_000 + day,
        });
        lines += &format!("{row}\n");
    }
    let file = folder.join("history.ndjson");
    std::fs::write(&file, lines).unwrap();
    let arguments = ["ingest", "--json", "--source", "snowflake-demo", "--log-type", "Snowflake.QueryHistory"];
    let summary = stdout(&command(data).args(arguments).arg(&file).output().unwrap());
    let summary: Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(summary["failures"], json!({}), "{summary}");
}

fn text(rows: &[Map<String, Value>]) -> String {
    let line =
        |row: &Map<String, Value>| row.values().map(|value| value.to_string().replace('"', "")).collect::<Vec<_>>();
    rows.iter().map(|row| line(row).join(" ") + "\n").collect()
}

#[test]
fn published_snowflake_content_fires_on_the_story() {
    let Some(root) = std::env::var_os("PANTHER_ANALYSIS_DIR") else {
        println!("skipped: PANTHER_ANALYSIS_DIR names no checkout of panther-analysis");
        return;
    };
    let root = Path::new(&root);
    let home = tempfile::tempdir().unwrap();
    let (data, content) = (home.path().join("data"), home.path().join("content"));
    for (folder, beginning) in [
        ("rules/snowflake_rules", "snowflake"),
        ("queries/snowflake_queries", "snowflake"),
        ("correlation_rules", "snowflake"),
        ("global_helpers", ""),
    ] {
        copy(&root.join(folder), &content.join(folder), beginning);
    }
    let config = home.path().join("uncia.toml");
    std::fs::write(&config, format!("[detections]\nfolders = [\"{}\"]\n", content.display())).unwrap();
    let uncia = |arguments: &[&str]| command(&data).env("UNCIA_CONFIG", &config).args(arguments).output().unwrap();

    stdout(&uncia(&["demo", "--once"]));
    before_the_story(&data, home.path());
    let run = [&["detections", "run", "--at", AT, "--format", "ndjson"], BY_THE_CLOCK].concat();
    let output = uncia(&run);
    let ran = stdout(&output);
    let ran: Vec<Value> = ran.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(ran.len(), BY_THE_CLOCK.len(), "{}", stderr(&output));
    assert!(ran.iter().all(|row| row["problem"].is_null() && row["matches"] != 0), "{ran:#?}");

    let fired = "SELECT p_rule_id, count(*) AS n FROM views.all_signals GROUP BY 1 ORDER BY 1";
    insta::assert_snapshot!(text(&rows_of(&data, fired)), @r"
    Snowflake.AccountAdminGranted 2
    Snowflake.BruteForceByIp 14
    Snowflake.BruteForceByUsername 14
    Snowflake.Client.IP 1
    Snowflake.Configuration.Drift 92
    Snowflake.CopyIntoStage 5
    Snowflake.Data.Exfiltration.Group 1
    Snowflake.External.Shares 2
    Snowflake.FileDownloaded 1
    Snowflake.KeyUserPasswordLogin 2
    Snowflake.LoginWithoutMFA 75
    Snowflake.Multiple.Failed.Logins.Followed.By.Success 1
    Snowflake.PotentialBruteForceSuccess.Group 1
    Snowflake.Stream.AccountAdminGranted 1
    Snowflake.Stream.BruteForceByIp 14
    Snowflake.Stream.BruteForceByUsername 14
    Snowflake.Stream.DataExfiltration.Group 1
    Snowflake.Stream.ExternalShares 2
    Snowflake.Stream.FileDownloaded 1
    Snowflake.Stream.LoginSuccess 139
    Snowflake.Stream.LoginWithoutMFA 61
    Snowflake.Stream.PasswordSpray 14
    Snowflake.Stream.PublicRoleGrant 1
    Snowflake.Stream.SuspiciousSession.UnusualApp 1
    Snowflake.Stream.TableCopiedIntoStage 5
    Snowflake.Stream.TempStageCreated 2
    Snowflake.Stream.UserCreated 1
    Snowflake.Stream.UserDailyQueryVolumeSpike 1
    Snowflake.Stream.UserEnabled 1
    Snowflake.TempStageCreated 2
    Snowflake.User.Access 61
    Snowflake.UserCreated 1
    Snowflake.UserEnabled 1
    ");

    // A second factor, a key or the company's own sign-in is nothing to tell of; the published query tells of failed attempts, too.
    let streaming = "SELECT DISTINCT user_name, first_authentication_factor, second_authentication_factor \
                     FROM signals.snowflake_loginhistory WHERE p_rule_id = 'Snowflake.Stream.LoginWithoutMFA' ORDER BY 1";
    insta::assert_snapshot!(text(&rows_of(&data, streaming)), @"DANA PASSWORD null");
    let scheduled = "SELECT DISTINCT row:user_name::string u, row:first_authentication_factor::string f, \
                     row:second_authentication_factor::string s FROM signals.uncia_scheduledquery \
                     WHERE p_rule_id = 'Snowflake.LoginWithoutMFA' ORDER BY 1";
    insta::assert_snapshot!(text(&rows_of(&data, scheduled)), @r"
    DANA PASSWORD null
    LENA PASSWORD null
    MAYA PASSWORD null
    OMAR PASSWORD null
    PRIYA PASSWORD null
    ");
    let others = "SELECT first_authentication_factor f, second_authentication_factor s, count(*) AS n \
                  FROM logs.snowflake_loginhistory WHERE is_success = 'YES' GROUP BY 1, 2 ORDER BY 1, 2";
    insta::assert_snapshot!(text(&rows_of(&data, others)), @r"
    PASSWORD DUO_PUSH 2
    PASSWORD MFA_TOKEN 1
    PASSWORD PASSKEY 1
    PASSWORD null 61
    RSA_KEYPAIR null 72
    SAML2_ASSERTION null 2
    ");
    let sequence = "SELECT row:client_ip::string, row:user_name::string, row:num_fails, row:num_successes, row:rows_in_sequence, \
                    row:error_messages FROM signals.uncia_scheduledquery \
                    WHERE p_rule_id = 'Snowflake.Multiple.Failed.Logins.Followed.By.Success'";
    insta::assert_snapshot!(text(&rows_of(&data, sequence)), @"203.0.113.66 DANA 5 1 6 [INCORRECT_USERNAME_PASSWORD]");
}
