//! An account as a user connects it: snapshots, what changed between them, and rules that see who somebody is.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use uncia_model::{Clock, SystemClock};
use uncia_snowflake::auth::{KeySize, RsaKey};
use uncia_snowflake::decode::timestamp_text;
use uncia_snowflake::setup::{Setup, SignIn};
use uncia_snowflake::state::STATE_VIEWS;
use uncia_snowflake::views::AUDIT_VIEWS;
use uncia_snowflake_double::{Double, DoubleConfig};

use crate::{cell, command, stdout};

const RULE: &str = "def rule(event):
    return event.deep_get('p_enrichment', 'acme_prod_users') is not None


def title(event):
    users = event.deep_get('p_enrichment', 'acme_prod_users', 'p_any_usernames')
    roles = event.deep_get('p_enrichment', 'acme_prod_grantsToUsers', 'p_any_usernames')
    return f\"{users[0]['EMAIL']} holds {sorted(row['ROLE'] for row in roles)} by {users[0]['p_match']}\"
";
const RULE_YML: &str = "AnalysisType: rule
Filename: who.py
RuleID: Test.Who
Enabled: true
Severity: Info
LogTypes: [Snowflake.QueryHistory]
";
const CHANGED: &str = "def rule(event):
    return event.get('OBJECT_TYPE') == 'GRANT_TO_USER'


def title(event):
    return f\"{event.get('USER_NAME')} {event.get('CHANGE')} {event.get('ROLE_NAME')}\"
";
const CHANGED_YML: &str = "AnalysisType: rule
Filename: changed.py
RuleID: Test.Changed
Enabled: true
Severity: Info
LogTypes: [Snowflake.StateChange]
";

async fn account(home: &Path) -> Double {
    let double = Double::start(DoubleConfig::default()).await.unwrap();
    let key = RsaKey::generate(KeySize::Bits2048).unwrap();
    std::fs::write(home.join("key.pem"), key.to_pem().unwrap().expose()).unwrap();
    let audit = AUDIT_VIEWS.iter().filter(|view| view.by_default).map(|view| view.name);
    let state = STATE_VIEWS.iter().filter(|view| view.show.is_none()).map(|view| view.name);
    let setup = Setup {
        source: "prod".to_owned(),
        user: "UNCIA_AUDIT_VIEW_USER".to_owned(),
        role: "UNCIA_AUDIT_VIEW_ROLE".to_owned(),
        warehouse: "UNCIA_AUDIT_WH".to_owned(),
        create_warehouse: true,
        place: None,
        views: audit.chain(state).map(str::to_owned).collect(),
        imported_privileges: false,
        sign_in: SignIn::KeyPair { public_key: key.public_base64(), second: false },
        addresses: Vec::new(),
    };
    double.run_script(&setup.sql().unwrap()).unwrap();
    double
        .run_script(
            "CREATE ROLE ANALYST; CREATE USER DANA EMAIL = 'dana@acme.example'; GRANT ROLE ANALYST TO USER DANA;",
        )
        .unwrap();
    std::fs::create_dir_all(home.join("rules")).unwrap();
    for (name, text) in [("who.py", RULE), ("who.yml", RULE_YML), ("changed.py", CHANGED), ("changed.yml", CHANGED_YML)]
    {
        std::fs::write(home.join("rules").join(name), text).unwrap();
    }
    let config = format!(
        "[detections]\nfolders = [\"{home}/rules\"]\n\n[[sources.snowflake]]\nid = \"prod\"\nlabel = \"Acme Prod\"\n\
         account = \"{}\"\nurl = \"{}\"\nwarehouse = \"UNCIA_AUDIT_WH\"\n\
         sign_in = {{ method = \"key_pair\", private_key = \"file:{home}/key.pem\" }}\n",
        double.identifier(),
        double.url(),
        home = home.display(),
    );
    std::fs::write(home.join("uncia.toml"), config).unwrap();
    double
}

/// A statement of DANA's that has just ended.
fn query(double: &Double, id: &str) {
    let now = SystemClock.now().micros - 1_000_000;
    let time = timestamp_text(i128::from(now) * 1_000).unwrap();
    let row = json!({
        "QUERY_ID": id, "QUERY_TEXT": "select 1", "QUERY_TYPE": "SELECT", "USER_NAME": "DANA", "ROLE_NAME": "ANALYST",
        "EXECUTION_STATUS": "SUCCESS", "START_TIME": time, "END_TIME": time,
    });
    double.insert("QUERY_HISTORY", &row).unwrap();
}

fn run(home: &Path, arguments: &[&str]) -> Vec<Value> {
    let mut command = command(&home.join("data"));
    command.arg("--config").arg(home.join("uncia.toml")).args(arguments);
    let text = stdout(&command.output().unwrap());
    serde_json::from_str::<Vec<Value>>(&text)
        .unwrap_or_else(|_| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn of<'a>(rows: &'a [Value], view: &str) -> &'a Value {
    rows.iter().find(|row| row["view"] == view).unwrap_or_else(|| panic!("no {view} in {rows:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_somebody_is_and_what_changed() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().to_owned();
    let double = Arc::new(account(&path).await);
    let on_account = double.clone();
    let work = move || {
        let pull = |more: &[&str]| run(&path, &[&["--json", "snowflake", "pull"], more].concat());
        let data = path.join("data");
        let first = pull(&[]);
        let users = of(&first, "USERS/state");
        assert_eq!((&users["problem"], &users["revised"]), (&Value::Null, &json!(0)), "{first:?}");
        assert_eq!(cell(&data, "SELECT EMAIL FROM lookups.snowflake_users WHERE NAME = 'DANA'"), "dana@acme.example");
        assert!(cell(&data, "SELECT count(*) FROM lookups.snowflake_parameters WHERE p_source_id = 'prod'") != 0);

        query(&on_account, "q1");
        on_account.run_script("GRANT ROLE ACCOUNTADMIN TO USER DANA;").unwrap();
        let second = pull(&[]);
        assert_eq!(of(&second, "GRANTS_TO_USERS/state")["revised"], 1, "{second:?}");
        assert_eq!(of(&second, "QUERY_HISTORY")["new"], 1);
        let titles = "SELECT p_alert_title FROM rule_matches.snowflake_queryhistory WHERE QUERY_ID = ";
        assert_eq!(cell(&data, &format!("{titles}'q1'")), "dana@acme.example holds ['ANALYST'] by DANA");
        let told = cell(&data, "SELECT p_alert_title FROM rule_matches.snowflake_statechange");
        assert_eq!(told, "DANA gained ACCOUNTADMIN");

        // The next events are enriched with the new snapshot; those in the log table never are.
        query(&on_account, "q2");
        on_account.run_script("REVOKE ROLE ANALYST FROM USER DANA;").unwrap();
        let third = pull(&["--no-state"]);
        assert!(!third.iter().any(|row| row["view"] == "USERS/state"));
        assert_eq!(
            cell(&data, &format!("{titles}'q2'")),
            "dana@acme.example holds ['ACCOUNTADMIN', 'ANALYST'] by DANA"
        );
        let kept = "SELECT p_enrichment:acme_prod_users.p_any_usernames[0].NAME FROM rule_matches.snowflake_queryhistory WHERE QUERY_ID = 'q2'";
        assert_eq!(cell(&data, kept), "DANA");
        assert_eq!(
            pull(&[]).iter().filter(|row| row["view"] == "GRANTS_TO_USERS/state" && row["revised"] == 1).count(),
            1
        );
        let roles = "SELECT listagg(ROLE, ',') FROM lookups.snowflake_grantstousers WHERE GRANTEE_NAME = 'DANA'";
        assert_eq!(cell(&data, roles), "ACCOUNTADMIN");
        assert_eq!(
            cell(&data, "SELECT count(*) FROM logs.snowflake_statechange WHERE OBJECT_TYPE = 'GRANT_TO_USER'"),
            2
        );
        let status = run(&path, &["--json", "snowflake", "status"]);
        assert!(status.iter().any(|row| row["view"] == "USERS/state" && row["problem"].is_null()), "{status:?}");
    };
    tokio::task::spawn_blocking(work).await.unwrap();
    drop(double);
}
