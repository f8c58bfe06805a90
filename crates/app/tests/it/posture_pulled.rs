//! Every bundled control on two accounts that administrators set up, one as it should be and one not: pulled over the SQL API,
//! judged, alerted, mended and judged again.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::{Map, Value, json};
use uncia_document::Timestamp;
use uncia_model::{Clock, SystemClock};
use uncia_snowflake::auth::{KeySize, RsaKey};
use uncia_snowflake::setup::{Setup, SignIn};
use uncia_snowflake::state::STATE_VIEWS;
use uncia_snowflake_double::{Double, DoubleConfig};

use crate::queries::are_as_expected;
use crate::serve::{Server, eventually};
use crate::{command, stderr, stdout};

const PREFIX: &str = "Uncia.Posture.Snowflake.";
const DAY: i64 = 24 * 3_600_000_000;

/// The time of this machine, some days back.
#[derive(Debug, Default)]
struct Shifted(AtomicI64);

impl Clock for Shifted {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(SystemClock.now().micros - self.0.load(Ordering::Relaxed))
    }
}

/// What was made when the account was older by 200 days, and what is made now.
struct Scripts {
    then: &'static str,
    now: &'static str,
}

const COMPLIANT: Scripts =
    Scripts { then: include_str!("../posture/compliant.sql"), now: include_str!("../posture/compliant_now.sql") };
const VIOLATING: Scripts =
    Scripts { then: include_str!("../posture/violating.sql"), now: include_str!("../posture/violating_now.sql") };

async fn account(name: &str, scripts: &Scripts, key: &RsaKey) -> Double {
    let clock = Arc::new(Shifted(AtomicI64::new(200 * DAY)));
    let config = DoubleConfig { account: name.to_uppercase(), clock: clock.clone(), ..DoubleConfig::default() };
    let double = Double::start(config).await.unwrap();
    let with_key = |script: &str| script.replace("{key}", &key.public_base64());
    double.run_script(&with_key(scripts.then)).unwrap();
    clock.0.store(0, Ordering::Relaxed);
    double.run_script(&with_key(scripts.now)).unwrap();
    let views = ["LOGIN_HISTORY"].into_iter();
    let state = STATE_VIEWS.iter().filter(|view| view.show.is_none()).map(|view| view.name);
    let setup = Setup {
        source: name.to_owned(),
        user: "UNCIA_AUDIT_VIEW_USER".to_owned(),
        role: "UNCIA_AUDIT_VIEW_ROLE".to_owned(),
        warehouse: "UNCIA_AUDIT_WH".to_owned(),
        create_warehouse: true,
        place: None,
        views: views.chain(state).map(str::to_owned).collect(),
        imported_privileges: false,
        sign_in: SignIn::KeyPair { public_key: key.public_base64(), second: false },
        addresses: Vec::new(),
    };
    double.run_script(&setup.sql().unwrap()).unwrap();
    double
}

/// Sign-ins of the last hour. Who signs in with the company's provider has no password in an account that is as it should be.
fn sign_in(double: &Double, users: &[(&str, &str)]) {
    for (id, (user, factor)) in users.iter().enumerate() {
        let time = Timestamp::from_micros(SystemClock.now().micros - 3_600_000_000).to_string();
        let row = json!({
            "EVENT_ID": id + 1, "EVENT_TIMESTAMP": format!("{}Z", time.replace(' ', "T")), "EVENT_TYPE": "LOGIN",
            "USER_NAME": user, "CLIENT_IP": "192.0.2.7", "FIRST_AUTHENTICATION_FACTOR": factor, "IS_SUCCESS": "YES",
        });
        double.insert("LOGIN_HISTORY", &row).unwrap();
        assert!(double.sign_in(user), "{user}");
    }
}

fn run(home: &Path, arguments: &[&str]) -> (Vec<Value>, String) {
    let mut command = command(&home.join("data"));
    let output = command.arg("--config").arg(home.join("uncia.toml")).args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let rows = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text} {}", stderr(&output)));
    (rows, stderr(&output))
}

struct Ground {
    home: tempfile::TempDir,
    compliant: Double,
    violating: Double,
}

impl Ground {
    async fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let key = RsaKey::generate(KeySize::Bits2048).unwrap();
        std::fs::write(home.path().join("key.pem"), key.to_pem().unwrap().expose()).unwrap();
        let compliant = account("compliant", &COMPLIANT, &key).await;
        let violating = account("violating", &VIOLATING, &key).await;
        assert!(compliant.enrol_second_factor("ANNA") && !compliant.enrol_second_factor("NOBODY"));
        sign_in(&compliant, &[("ADMIN", "RSA_KEYPAIR"), ("ANNA", "PASSWORD"), ("NOAH", "SAML2_ASSERTION")]);
        sign_in(
            &violating,
            &[("ADMIN", "RSA_KEYPAIR"), ("MAYA", "PASSWORD"), ("NOAH", "SAML2_ASSERTION"), ("ETL", "PASSWORD")],
        );
        let mut config = String::new();
        for (name, double) in [("compliant", &compliant), ("violating", &violating)] {
            config += &format!(
                "[[sources.snowflake]]\nid = \"{name}\"\naccount = \"{}\"\nurl = \"{}\"\nwarehouse = \"UNCIA_AUDIT_WH\"\n\
                 views = [\"LOGIN_HISTORY\"]\n\
                 sign_in = {{ method = \"key_pair\", private_key = \"file:{}/key.pem\" }}\n\n",
                double.identifier(),
                double.url(),
                home.path().display(),
            );
        }
        std::fs::write(home.path().join("uncia.toml"), config).unwrap();
        Self { home, compliant, violating }
    }

    /// Pulls both accounts; what is said of the posture of each.
    fn pull(&self) -> Vec<String> {
        let (rows, said) = run(self.home.path(), &["--json", "snowflake", "pull"]);
        let problems: Vec<&Value> = rows.iter().filter(|row| !row["problem"].is_null()).collect();
        assert!(problems.is_empty(), "{problems:?}");
        said.lines().filter(|line| line.starts_with("posture of")).map(str::to_owned).collect()
    }

    fn findings(&self) -> Vec<Value> {
        run(self.home.path(), &["--json", "snowflake", "posture"]).0
    }

    fn alerts(&self) -> Vec<Value> {
        run(self.home.path(), &["--json", "alerts", "list"]).0
    }

    fn alerts_of(&self, control: &str) -> Vec<Value> {
        let id = format!("{PREFIX}{control}");
        self.alerts().into_iter().filter(|alert| alert["detection"] == id.as_str()).collect()
    }
}

fn expected() -> Map<String, Value> {
    serde_json::from_str(include_str!("../posture/pulled.json")).unwrap()
}

fn rows(value: &Value) -> Vec<Map<String, Value>> {
    value.as_array().unwrap().iter().map(|row| row.as_object().unwrap().clone()).collect()
}

/// The finding of a control on one account, as the scheduled judgement left it.
fn account_of<'a>(finding: &'a Value, source: &str) -> &'a Value {
    let accounts = finding["accounts"].as_array().unwrap();
    accounts.iter().find(|account| account["source"] == source).unwrap_or_else(|| panic!("no {source}: {finding}"))
}

fn each_control_tells_the_two_apart(ground: &Ground) {
    let (findings, mut expected) = (ground.findings(), expected());
    for finding in &findings {
        let id = finding["control"].as_str().unwrap().strip_prefix(PREFIX).unwrap();
        let violations = expected.remove(id).unwrap_or_else(|| panic!("{id}: no account violates it"));
        let evidence = rows(&finding["evidence"]);
        assert!(are_as_expected(&evidence, &rows(&violations)), "{id}: {finding:#}");
        assert!(evidence.iter().all(|row| row["p_source_id"] == "violating"), "{id}: {finding:#}");
        assert_eq!(account_of(finding, "compliant")["status"], "PASS", "{id}");
        let failed = account_of(finding, "violating");
        assert_eq!((&failed["status"], &failed["violations"]), (&json!("FAIL"), &json!(evidence.len())), "{id}");
        assert_eq!(finding["failing_since"], failed["since"], "{id}");
        let told = rows(&failed["open_violations"]);
        assert_eq!(told.len(), evidence.len(), "{id}: {failed}");

        let alerts = ground.alerts_of(id);
        let [alert] = alerts.as_slice() else { panic!("{id}: {alerts:?}") };
        assert_eq!((&alert["type"], &alert["severity"]), (&json!("POLICY"), &finding["severity"]), "{id}");
        assert_eq!(alert["events"], evidence.len(), "{id}");
        assert!(told.iter().all(|row| row["alert"] == alert["id"]), "{id}: {told:?}");
    }
    assert!(expected.is_empty(), "there are no such controls: {expected:?}");
}

/// Evidence comes and goes: one alert when it comes, resolved when it has gone.
fn violations_begin_and_end(ground: &Ground) {
    let alerts = ground.alerts().len();
    assert_eq!(ground.pull().len(), 2, "the same state again is judged again");
    assert_eq!(ground.alerts().len(), alerts, "and nobody is told again");

    ground.compliant.run_script("CREATE USER EVE PASSWORD = 'tulips' EMAIL = 'eve@acme.example';").unwrap();
    let said = ground.pull();
    assert!(
        said[0].contains("1 controls fail, 30 pass") && said[0].contains("1 violations began, 0 ended"),
        "{said:?}"
    );
    let mfa = |source: &str| {
        let finding =
            ground.findings().into_iter().find(|finding| finding["control"] == format!("{PREFIX}MfaForPeople"));
        account_of(&finding.unwrap(), source).clone()
    };
    assert_eq!(mfa("compliant")["open_violations"][0]["evidence"]["name"], "EVE");
    let alert = |dedup: &str| {
        let alerts = ground.alerts_of("MfaForPeople");
        let of: Vec<Value> = alerts.into_iter().filter(|alert| alert["dedup"] == dedup).collect();
        assert_eq!(of.len(), 1, "{of:?}");
        of[0].clone()
    };
    let first = alert("compliant");
    assert_eq!(first["title"], "Failed: People with a password have a second factor [compliant]");
    assert_eq!(first["status"], "OPEN");
    let id = first["id"].as_str().unwrap();
    let mut show = command(&ground.home.path().join("data"));
    let shown: Value =
        serde_json::from_str(&stdout(&show.args(["--json", "alerts", "show", id]).output().unwrap())).unwrap();
    let context: Value = serde_json::from_str(shown["context"].as_str().unwrap()).unwrap();
    assert_eq!(context["evidence"][0]["name"], "EVE", "{shown}");

    // One more of those that are there is told with them, while the window is open.
    ground.violating.run_script("CREATE USER MALLORY PASSWORD = 'tulips';").unwrap();
    ground.compliant.run_script("DROP USER EVE;").unwrap();
    ground.pull();
    assert_eq!(alert("violating")["events"], 3);
    assert_eq!(mfa("violating")["violations"], 3);
    assert_eq!((&mfa("compliant")["status"], &alert("compliant")["status"]), (&json!("PASS"), &json!("RESOLVED")));

    // What begins anew is told anew, to somebody who may have closed the first alert.
    ground.compliant.run_script("CREATE USER EVE PASSWORD = 'tulips' EMAIL = 'eve@acme.example';").unwrap();
    ground.pull();
    let again: Vec<Value> = ground.alerts_of("MfaForPeople");
    assert_eq!(again.iter().filter(|alert| alert["dedup"] == "compliant").count(), 2, "{again:?}");
    let control = format!("{PREFIX}MfaForPeople");
    let history = ["--json", "snowflake", "posture", "--history", "--source", "compliant", "--control", &control];
    let (history, _) = run(ground.home.path(), &history);
    let statuses: Vec<&Value> = history.iter().map(|span| &span["status"]).collect();
    assert_eq!(statuses, ["FAIL", "PASS", "FAIL", "PASS"], "newest first: {history:?}");
    assert_eq!(history[0]["to"], Value::Null);
    assert_eq!(history[1]["to"], history[0]["from"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_as_they_should_be_and_not() {
    let ground = Ground::new().await;
    let work = move || {
        let said = ground.pull();
        assert!(said[0].contains("0 controls fail, 31 pass, 0 do not apply"), "{said:?}");
        assert!(said[1].contains("31 controls fail, 0 pass, 0 do not apply"), "{said:?}");
        each_control_tells_the_two_apart(&ground);
        violations_begin_and_end(&ground);
    };
    tokio::task::spawn_blocking(work).await.unwrap();
}

const CONTROL: &str = "ControlID: Test.Admins
DisplayName: Administrators have a mail address
Severity: Critical
Why: Nobody reaches them.
Tables: [lookups.snowflake_users, lookups.snowflake_grantstousers]
Query: >
  SELECT u.p_source_id, u.name FROM lookups.snowflake_users u
  JOIN lookups.snowflake_grantstousers g ON g.grantee_name = u.name WHERE g.role = 'ACCOUNTADMIN' AND u.email IS NULL
Columns: [p_source_id, name]
Fix: Give them one.
";

/// A server judges what it pulls by controls of the user's own, and tells a destination once, however often it starts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_judges_and_tells() {
    let home = tempfile::tempdir().unwrap();
    let key = RsaKey::generate(KeySize::Bits2048).unwrap();
    std::fs::write(home.path().join("key.pem"), key.to_pem().unwrap().expose()).unwrap();
    std::fs::create_dir(home.path().join("controls")).unwrap();
    std::fs::write(home.path().join("controls/admins.yml"), CONTROL).unwrap();
    let double = account("violating", &VIOLATING, &key).await;
    let webhook = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = format!(
        "[posture]\nbundled = false\nfolders = [\"{home}/controls\"]\n\n[batch]\nmax_wait_ms = 50\n\n\
         [[sources.snowflake]]\nid = \"violating\"\nlabel = \"Acme Prod\"\naccount = \"{}\"\nurl = \"{}\"\n\
         warehouse = \"UNCIA_AUDIT_WH\"\nviews = [\"LOGIN_HISTORY\"]\nstate_views = [\"USERS\", \"GRANTS_TO_USERS\"]\n\
         sign_in = {{ method = \"key_pair\", private_key = \"file:{home}/key.pem\" }}\n\n\
         [[destinations]]\nid = \"hook\"\ntype = \"webhook\"\n\
         config = {{ url = \"http://{}/alerts\", allow_private = true }}\n",
        double.identifier(),
        double.url(),
        webhook.local_addr().unwrap(),
        home = home.path().display(),
    );
    std::fs::write(home.path().join("uncia.toml"), config).unwrap();
    let work = move || {
        let data = home.path().join("data");
        let server = Server::start(&data, &home.path().join("uncia.toml"));
        let (mut stream, _) = webhook.accept().unwrap();
        let mut told = String::new();
        let mut part = [0; 16_384];
        while !(told.contains("\"schemaVersion\"") && told.ends_with('}')) {
            let length = stream.read(&mut part).unwrap();
            assert!(length > 0, "{told}");
            told += &String::from_utf8_lossy(&part[..length]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        let body: Value = serde_json::from_str(told.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert_eq!((&body["type"], &body["severity"]), (&json!("POLICY"), &json!("CRITICAL")));
        assert_eq!(body["title"], "Policy Failure: Administrators have a mail address");
        assert_eq!(body["alertContext"]["evidence"], json!([{"p_source_id": "violating", "name": "ADMIN"}]));
        assert_eq!(body["logTypes"], json!(["Snowflake.Users"]));
        let id = body["alertId"].as_str().unwrap();
        let show = || stdout(&command(&data).args(["--json", "alerts", "show", id]).output().unwrap());
        eventually("the delivery is noted", || show().contains("\"delivered\""));
        server.terminate();

        let server = Server::start(&data, &home.path().join("uncia.toml"));
        let history = || run(home.path(), &["--json", "snowflake", "posture", "--history"]).0;
        let [span] = history().try_into().unwrap();
        assert_eq!((&span["status"], &span["violations"]), (&json!("FAIL"), &json!(1)));
        server.terminate();
        let alerts = run(home.path(), &["--json", "alerts", "list"]).0;
        assert_eq!(alerts.len(), 1, "{alerts:?}");
    };
    tokio::task::spawn_blocking(work).await.unwrap();
}
