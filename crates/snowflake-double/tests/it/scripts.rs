//! Scripts: what they make, that running them twice changes nothing, and what they may not do.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use uncia_snowflake_double::{Double, DoubleConfig};

use crate::client::{Key, Scene, setup_sql};

#[tokio::test]
async fn running_a_script_twice_changes_nothing() {
    let scene = Scene::new().await;
    let before = scene.double.account_state();
    scene.double.run_script(&setup_sql(&scene.key.public)).unwrap();
    assert_eq!(before, scene.double.account_state());
    assert!(before["users"]["AUDIT_USER"]["keys"][0].as_str().unwrap().starts_with("SHA256:"));
    assert_eq!(before["roles"]["AUDIT_ROLE"], "reads audit views");

    scene
        .double
        .run_script("DROP USER IF EXISTS AUDIT_USER; DROP ROLE IF EXISTS AUDIT_ROLE; DROP WAREHOUSE IF EXISTS AUDIT_WH; DROP USER IF EXISTS AUDIT_USER;")
        .unwrap();
    let empty = Double::start(DoubleConfig::default()).await.unwrap();
    assert_eq!(scene.double.account_state(), empty.account_state());
}

#[tokio::test]
async fn faults_are_named_with_their_lines() {
    let scene = Scene::new().await;
    let key = Key::new().public;
    let pem = format!("ALTER USER AUDIT_USER SET RSA_PUBLIC_KEY = '-----BEGIN PUBLIC KEY-----{key}'");
    for (script, code) in [
        ("CREATE ROLE AUDIT_ROLE", "002002"),
        ("CREATE ROLLE X", "001003"),
        ("# a comment of another language\nCREATE ROLE X", "001003"),
        ("DROP USER NOBODY", "002003"),
        ("GRANT ROLE NOBODY TO USER AUDIT_USER", "002003"),
        ("GRANT DATABASE ROLE SNOWFLAKE.NO_VIEWER TO ROLE AUDIT_ROLE", "002003"),
        ("GRANT SELECT ON VIEW SNOWFLAKE.ACCOUNT_USAGE.USERS TO ROLE AUDIT_ROLE", "001003"),
        ("GRANT USAGE ON WAREHOUSE NONE TO ROLE AUDIT_ROLE", "002003"),
        ("CREATE USER IF NOT EXISTS X TIPE = SERVICE", "001003"),
        ("CREATE USER X TYPE = ROBOT", "001008"),
        ("CREATE USER X TYPE = SERVICE PASSWORD = 'secret'", "001003"),
        ("ALTER USER AUDIT_USER SET NETWORK_POLICY = NOWHERE", "002003"),
        ("CREATE NETWORK RULE R TYPE = IPV4 VALUE_LIST = ('10.0.0.0/8')", "001003"),
        ("USE ROLE NOBODY", "002003"),
        ("SELECT 1", "001003"),
        (pem.as_str(), "390249"),
    ] {
        let fault = scene.double.run_script(script).unwrap_err();
        assert_eq!(fault.failure.code, code, "{script}: {fault}");
    }
    let fault = scene.double.run_script("USE ROLE ACCOUNTADMIN;\n\nCREATE ROLE AUDIT_ROLE;").unwrap_err();
    assert_eq!(fault.line, 3);
}

#[tokio::test]
async fn roles_may_only_do_what_is_theirs() {
    let scene = Scene::new().await;
    for (role, script, may) in [
        ("USERADMIN", "CREATE ROLE R1", true),
        ("USERADMIN", "GRANT DATABASE ROLE SNOWFLAKE.USAGE_VIEWER TO ROLE R1", false),
        ("SECURITYADMIN", "GRANT DATABASE ROLE SNOWFLAKE.USAGE_VIEWER TO ROLE R1", false),
        ("SECURITYADMIN", "GRANT USAGE ON WAREHOUSE AUDIT_WH TO ROLE R1", true),
        ("SYSADMIN", "CREATE USER U1", false),
        ("SYSADMIN", "CREATE WAREHOUSE W1", true),
        ("PUBLIC", "CREATE ROLE R2", false),
        ("PUBLIC", "USE ROLE ACCOUNTADMIN; CREATE ROLE R2", true),
        (
            "USERADMIN",
            "CREATE SECURITY INTEGRATION I TYPE = OAUTH ENABLED = TRUE OAUTH_CLIENT = CUSTOM OAUTH_CLIENT_TYPE = 'CONFIDENTIAL' OAUTH_REDIRECT_URI = 'https://x.example/cb'",
            false,
        ),
        (
            "ACCOUNTADMIN",
            "CREATE SECURITY INTEGRATION I TYPE = OAUTH ENABLED = TRUE OAUTH_CLIENT = CUSTOM OAUTH_CLIENT_TYPE = 'CONFIDENTIAL' OAUTH_REDIRECT_URI = 'https://x.example/cb'",
            true,
        ),
        (
            "ACCOUNTADMIN",
            "CREATE SECURITY INTEGRATION J TYPE = OAUTH ENABLED = TRUE OAUTH_CLIENT = CUSTOM OAUTH_CLIENT_TYPE = 'CONFIDENTIAL' OAUTH_REDIRECT_URI = 'http://x.example/cb'",
            false,
        ),
    ] {
        assert_eq!(scene.double.run_script_as(role, script).is_ok(), may, "{role}: {script}");
    }
}

#[tokio::test]
async fn what_scripts_do_can_be_described() {
    let scene = Scene::new().await;
    let answers = scene
        .double
        .run_script("DESC USER AUDIT_USER; SHOW GRANTS TO ROLE AUDIT_ROLE; SHOW USERS LIKE 'audit%'; SHOW PARAMETERS LIKE 'network_policy' IN ACCOUNT;")
        .unwrap();
    let described =
        |name: &str| answers[0].iter().find(|row| row[0].as_deref() == Some(name)).and_then(|row| row[1].clone());
    assert_eq!(described("RSA_PUBLIC_KEY_FP"), Some(scene.key.fingerprint.clone()));
    assert_eq!(described("RSA_PUBLIC_KEY_2_FP"), None);
    assert_eq!(described("TYPE").as_deref(), Some("SERVICE"));
    let granted: Vec<&str> = answers[1].iter().filter_map(|row| row[2].as_deref()).collect();
    assert_eq!(granted, ["SNOWFLAKE.SECURITY_VIEWER", "SNOWFLAKE.GOVERNANCE_VIEWER", "AUDIT_WH"]);
    assert_eq!(answers[2].len(), 1);
    assert_eq!(answers[3][0][0].as_deref(), Some("NETWORK_POLICY"));
}

#[tokio::test]
async fn what_is_replaced_loses_what_was_granted() {
    let scene = Scene::new().await;
    let holds = |text: &str| scene.double.account_state()["grants"].to_string().contains(text);
    for (grant, replace) in [
        ("USAGE on WAREHOUSE AUDIT_WH to role AUDIT_ROLE", "CREATE OR REPLACE WAREHOUSE AUDIT_WH"),
        ("USAGE on ROLE AUDIT_ROLE to user AUDIT_USER", "CREATE OR REPLACE USER AUDIT_USER TYPE = SERVICE"),
        ("SNOWFLAKE.SECURITY_VIEWER to role AUDIT_ROLE", "CREATE OR REPLACE ROLE AUDIT_ROLE"),
    ] {
        assert!(holds(grant), "{grant}");
        scene.double.run_script(replace).unwrap();
        assert!(!holds(grant), "{grant} outlives {replace}");
    }
    assert!(scene.double.account_state()["users"]["AUDIT_USER"]["keys"][0].is_null());
    scene.double.run_script(&setup_sql(&scene.key.public)).unwrap();
    assert!(holds("USAGE on ROLE AUDIT_ROLE to user AUDIT_USER"));
}

/// Whatever is cut out of, put into or swapped in a script, it is refused or understood; nothing breaks.
#[tokio::test]
async fn broken_scripts_are_refused_and_break_nothing() {
    let key = Key::new();
    let script = format!(
        "{} CREATE NETWORK POLICY P ALLOWED_IP_LIST = ('10.0.0.0/8', \"x\") COMMENT = $$ü$$; SHOW USERS LIKE '%a_'; /* c */ GRANT SELECT ON ALL VIEWS IN SCHEMA A.B TO ROLE R WITH GRANT OPTION",
        setup_sql("KEY")
    );
    let marks = [
        "'",
        "\"",
        ";",
        "(",
        ")",
        "--",
        "/*",
        "$$",
        "\\",
        "é",
        ",",
        "=",
        ".",
        "NOT",
        "\0",
        "ROLE",
        "999999999999999999999999",
    ];
    let mut random = StdRng::seed_from_u64(5);
    let double = Double::start(DoubleConfig::default()).await.unwrap();
    double.run_script(&setup_sql(&key.public)).unwrap();
    let chars: Vec<char> = script.chars().collect();
    for _ in 0..2_000 {
        let mut broken = chars.clone();
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(0..broken.len());
            match random.random_range(0..3) {
                0 => drop(broken.drain(at..(at + random.random_range(1..20)).min(broken.len()))),
                1 => {
                    let other = random.random_range(0..broken.len());
                    broken.swap(at, other);
                }
                _ => {
                    let mark = marks[random.random_range(0..marks.len())];
                    broken.splice(at..at, mark.chars());
                }
            }
        }
        let text: String = broken.into_iter().collect();
        if let Err(fault) = double.run_script(&text) {
            assert!(fault.failure.code.len() == 6 && !fault.failure.message.is_empty());
        }
    }
    assert!(double.account_state()["users"]["ADMIN"].is_object());
}
