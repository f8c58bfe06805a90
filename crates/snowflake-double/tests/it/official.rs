//! The official clients judge the double: who gets in, who does not, and whether they can read what it sends.
//!
//! They come from pip, into an environment that `./x accept snowflake-clients` makes; `UNCIA_SNOWFLAKE_PYTHON` names its
//! interpreter. Without it these tests are left out, as a run without network is.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::process::Command;
use uncia_model::{Clock, ManualClock, SystemClock};
use uncia_snowflake_double::{Column, Double, DoubleConfig, Kind};

use crate::client::{Key, setup_sql};

fn python() -> Option<PathBuf> {
    let python = std::env::var_os("UNCIA_SNOWFLAKE_PYTHON").map(PathBuf::from);
    if python.is_none() {
        println!("left out: ./x accept snowflake-clients makes an environment with the official clients");
    }
    python
}

/// A double that is up, with a key on disk.
struct Court {
    double: Double,
    python: PathBuf,
    folder: tempfile::TempDir,
}

impl Court {
    async fn new(python: PathBuf, clock: Arc<dyn Clock>) -> Self {
        let double = Double::start(DoubleConfig { clock, ..DoubleConfig::default() }).await.unwrap();
        Self { double, python, folder: tempfile::tempdir().unwrap() }
    }

    fn key_file(&self, name: &str, key: &Key) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, key.pem()).unwrap();
        restrict(&path);
        path
    }

    async fn judge(&self, account: &str, user: &str, key: &Path, statements: &[&str]) -> Value {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/judge.py");
        let address = self.double.address();
        let output = Command::new(&self.python)
            .arg(script)
            .args([address.ip().to_string(), address.port().to_string(), account.to_owned(), user.to_owned()])
            .arg(key)
            .args(statements)
            .stderr(Stdio::inherit())
            .output()
            .await
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Runs `snow` with a connection in a configuration file of its own; gives whether it was content, and what it said.
    async fn snow(&self, user: &str, key: &Path, arguments: &[&str]) -> (bool, String) {
        let config = self.folder.path().join("config.toml");
        let address = self.double.address();
        let text = format!(
            "[connections.double]\naccount = \"UNCIATEST-MAIN\"\nuser = \"{user}\"\nhost = \"{}\"\nport = {}\nprotocol = \"http\"\nauthenticator = \"SNOWFLAKE_JWT\"\nprivate_key_file = \"{}\"\n",
            address.ip(),
            address.port(),
            key.display()
        );
        std::fs::write(&config, text).unwrap();
        restrict(&config);
        let snow = self.python.with_file_name("snow");
        let output = Command::new(snow)
            .arg("--config-file")
            .arg(&config)
            .args(arguments)
            .env("SNOWFLAKE_HOME", self.folder.path())
            .env("SNOWFLAKE_CLI_FEATURES_ENABLE_TELEMETRY", "false")
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.success(), said)
    }
}

fn restrict(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

const ACCOUNT: &str = "UNCIATEST-MAIN";

/// What somebody who was not let in was told.
fn refused(answer: &Value) -> String {
    assert!(answer["refused"].is_i64(), "let in: {answer}");
    answer["message"].as_str().unwrap().to_owned()
}

fn let_in(answer: &Value) -> &Value {
    assert!(answer["answers"].is_array(), "refused: {answer}");
    &answer["answers"]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_connector_gets_in_with_the_right_key_alone() {
    let Some(python) = python() else { return };
    let court = Court::new(python, Arc::new(SystemClock)).await;
    let (first, second) = (Key::new(), Key::new());
    let (one, two) = (court.key_file("one.p8", &first), court.key_file("two.p8", &second));
    court.double.run_script(&setup_sql(&first.public)).unwrap();
    let who = ["SELECT CURRENT_USER(), CURRENT_ROLE(), CURRENT_WAREHOUSE()"];
    let right = court.judge(ACCOUNT, "AUDIT_USER", &one, &who).await;
    assert_eq!(let_in(&right), &json!([[["'AUDIT_USER'", "'AUDIT_ROLE'", "'AUDIT_WH'"]]]));
    for (what, account, user, key) in [
        ("wrong key", ACCOUNT, "AUDIT_USER", &two),
        ("unknown user", ACCOUNT, "NOBODY", &one),
        ("another user", ACCOUNT, "ADMIN", &one),
        ("another account", "UNCIATEST-OTHER", "AUDIT_USER", &one),
    ] {
        let message = refused(&court.judge(account, user, key, &[]).await);
        assert!(message.contains("JWT token is invalid"), "{what}: {message}");
    }
    // A rotation: both keys are good, then only the second.
    court.double.run_script(&format!("ALTER USER AUDIT_USER SET RSA_PUBLIC_KEY_2 = '{}'", second.public)).unwrap();
    for key in [&one, &two] {
        let_in(&court.judge(ACCOUNT, "AUDIT_USER", key, &[]).await);
    }
    court.double.run_script("ALTER USER AUDIT_USER UNSET RSA_PUBLIC_KEY").unwrap();
    refused(&court.judge(ACCOUNT, "AUDIT_USER", &one, &[]).await);
    let_in(&court.judge(ACCOUNT, "AUDIT_USER", &two, &[]).await);
    court.double.run_script("ALTER USER AUDIT_USER SET DISABLED = TRUE").unwrap();
    refused(&court.judge(ACCOUNT, "AUDIT_USER", &two, &[]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_connector_is_refused_when_its_token_has_expired_or_is_of_the_future() {
    let Some(python) = python() else { return };
    for (what, ahead) in [("expired", 2 * 3600), ("of the future", -3600)] {
        let clock = ManualClock::at(SystemClock.now());
        let mut at = SystemClock.now();
        at.micros += ahead * 1_000_000;
        clock.set(at);
        let court = Court::new(python.clone(), Arc::new(clock)).await;
        let key = Key::new();
        let file = court.key_file("key.p8", &key);
        court.double.run_script(&setup_sql(&key.public)).unwrap();
        refused(&court.judge(ACCOUNT, "AUDIT_USER", &file, &[]).await);
        assert!(!court.double.refusals().is_empty(), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_connector_reads_what_the_double_sends() {
    let Some(python) = python() else { return };
    let court = Court::new(python, Arc::new(SystemClock)).await;
    let key = Key::new();
    let file = court.key_file("key.p8", &key);
    court.double.run_script(&setup_sql(&key.public)).unwrap();
    let kinds = [
        ("N", Kind::NUMBER),
        ("D", Kind::Fixed { precision: 10, scale: 2 }),
        ("R", Kind::Real),
        ("T", Kind::Text),
        ("B", Kind::Boolean),
        ("DAY", Kind::Date),
        ("LTZ", Kind::TimestampLtz),
        ("NTZ", Kind::TimestampNtz),
        ("TZ", Kind::TimestampTz),
        ("BIN", Kind::Binary),
        ("V", Kind::Variant),
    ];
    let columns = kinds.iter().map(|(name, kind)| Column::new(name, *kind)).collect();
    court.double.create_view("TYPES", "PUBLIC", "T", columns, None);
    let row = json!({
        "N": "12345678901234567890123456789012345678", "D": "1.5", "R": 1.5, "T": "x", "B": true, "DAY": "1969-12-31",
        "LTZ": "1969-12-31T23:59:58.5Z", "NTZ": "2023-11-14 22:13:20.123456", "TZ": "2021-03-19T19:06:59+01:00",
        "BIN": "00FF", "V": {"a": 1},
    });
    court.double.insert("TYPES.PUBLIC.T", &row).unwrap();
    court
        .double
        .run_script("GRANT USAGE ON DATABASE TYPES TO ROLE AUDIT_ROLE; GRANT USAGE ON SCHEMA TYPES.PUBLIC TO ROLE AUDIT_ROLE; GRANT SELECT ON VIEW TYPES.PUBLIC.T TO ROLE AUDIT_ROLE;")
        .unwrap();
    let answer = court
        .judge(
            ACCOUNT,
            "AUDIT_USER",
            &file,
            &[
                "SELECT N, D, R, T, B, DAY, NTZ, BIN, V FROM TYPES.PUBLIC.T",
                "SELECT LTZ, TZ FROM TYPES.PUBLIC.T",
                "SELECT COUNT(*) FROM SNOWFLAKE.ACCOUNT_USAGE.STAGES",
                "CREATE ROLE X",
                "SELEC 1",
                "USE ROLE PUBLIC",
                "SELECT CURRENT_ROLE()",
            ],
        )
        .await;
    let answers = let_in(&answer);
    assert_eq!(
        answers[0],
        json!([[
            "12345678901234567890123456789012345678",
            "Decimal('1.50')",
            "1.5",
            "'x'",
            "True",
            "datetime.date(1969, 12, 31)",
            "datetime.datetime(2023, 11, 14, 22, 13, 20, 123456)",
            "b'\\x00\\xff'",
            "'{\"a\":1}'",
        ]])
    );
    let times = answers[1].to_string();
    assert!(times.contains("1969, 12, 31, 23, 59, 58, 500000"), "{times}");
    assert!(times.contains("2021, 3, 19, 19, 6, 59") && times.contains("60"), "{times}");
    let codes: Vec<i64> = (2..5).map(|place| answers[place]["errno"].as_i64().unwrap()).collect();
    assert_eq!(codes, [2003, 3001, 1003]);
    assert_eq!(answers[6], json!([["'PUBLIC'"]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_gets_in_with_the_right_key_alone() {
    let Some(python) = python() else { return };
    let court = Court::new(python, Arc::new(SystemClock)).await;
    let (key, wrong) = (Key::new(), Key::new());
    let (right, wrong) = (court.key_file("key.p8", &key), court.key_file("wrong.p8", &wrong));
    court.double.run_script(&setup_sql(&key.public)).unwrap();
    let ask = ["sql", "-c", "double", "--format", "json", "-q", "SELECT CURRENT_USER() AS WHO"];
    let (content, said) = court.snow("AUDIT_USER", &right, &ask).await;
    assert!(content && said.contains("AUDIT_USER"), "{said}");
    let (content, said) = court.snow("AUDIT_USER", &right, &["connection", "test", "-c", "double"]).await;
    assert!(content && said.contains("OK"), "{said}");
    for (user, key) in [("AUDIT_USER", &wrong), ("NOBODY", &right)] {
        let (content, said) = court.snow(user, key, &ask).await;
        assert!(!content && said.contains("JWT token is invalid"), "{user}: {said}");
    }
    let bad = ["sql", "-c", "double", "-q", "SELECT * FROM SNOWFLAKE.ACCOUNT_USAGE.STAGES"];
    let (content, said) = court.snow("AUDIT_USER", &right, &bad).await;
    assert!(!content && said.contains("does not exist or not authorized"), "{said}");
}
