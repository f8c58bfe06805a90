//! An account is connected as an owner does it: scripts, key, check, rotation, and out again.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::runtime::Runtime;
use uncia_model::Secret;
use uncia_snowflake::auth::{KeySize, RsaKey};
use uncia_snowflake_double::{Consent, Double, DoubleConfig, Edition};

use super::serve::Server;
use super::{command, stderr, stdout, uncia};

struct Place {
    home: tempfile::TempDir,
    double: Double,
    _runtime: Runtime,
}

impl Place {
    fn new(edition: Edition) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let double = runtime.block_on(Double::start(DoubleConfig { edition, ..DoubleConfig::default() })).unwrap();
        let home = tempfile::tempdir().unwrap();
        let place = Self { home, double, _runtime: runtime };
        place.configure("");
        place
    }

    fn configure(&self, more: &str) {
        let (account, url) = (self.double.identifier(), self.double.url());
        let text = format!(
            "[[sources.snowflake]]\nid = \"prod\"\naccount = \"{account}\"\nurl = \"{url}\"\nwarehouse = \"UNCIA_WH\"\nstate_minutes = 60\n{more}"
        );
        std::fs::write(self.home.path().join("uncia.toml"), text).unwrap();
    }

    fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    fn run(&self, arguments: &[&str]) -> std::process::Output {
        let config = self.home.path().join("uncia.toml").display().to_string();
        uncia(&self.data(), &[&["--config", config.as_str()], arguments].concat())
    }

    fn ok(&self, arguments: &[&str]) -> String {
        stdout(&self.run(arguments))
    }

    fn fails(&self, arguments: &[&str], code: i32) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        stderr(&output)
    }

    /// Every finding as `step outcome fix`, and whether all is well.
    fn check(&self) -> (bool, Vec<String>) {
        let output = self.run(&["snowflake", "check", "prod", "--json"]);
        let findings: Vec<Value> =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", stderr(&output)));
        let line = |finding: &Value| {
            let text = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
            format!("{} {} {}", text("step"), text("outcome"), text("fix")).trim().to_owned()
        };
        (output.status.success(), findings.iter().map(line).collect())
    }

    fn let_in(&self) {
        self.ok(&["snowflake", "key", "prod"]);
        let script = self.ok(&["snowflake", "setup-sql", "prod", "--create-warehouse"]);
        self.double.run_script_as("PUBLIC", &script).unwrap();
    }
}

#[test]
fn the_scripts_let_in_and_out_and_can_be_repeated() {
    let place = Place::new(Edition::Enterprise);
    let before = place.double.account_state();
    let no_key = place.fails(&["snowflake", "setup-sql"], 3);
    assert!(no_key.contains("make one with `uncia snowflake key prod`"), "{no_key}");
    place.ok(&["snowflake", "key"]);
    let arguments = ["prod", "--create-warehouse", "--address", "127.0.0.1"];
    let script = place.ok(&[&["snowflake", "setup-sql"], arguments.as_slice()].concat());
    place.double.run_script_as("PUBLIC", &script).unwrap();
    let once = place.double.account_state();
    assert_ne!(once, before);
    place.double.run_script_as("PUBLIC", &script).unwrap();
    assert_eq!(place.double.account_state(), once);
    let (good, findings) = place.check();
    assert!(good, "{findings:#?}");
    let steps: Vec<&str> = findings.iter().take(5).map(String::as_str).collect();
    assert_eq!(steps, ["sign-in ok", "account ok", "role ok", "clock ok", "warehouse ok"]);

    let undo = place.ok(&[&["snowflake", "undo-sql"], arguments.as_slice()].concat());
    for _ in 0..2 {
        place.double.run_script_as("PUBLIC", &undo).unwrap();
        assert_eq!(place.double.account_state(), before);
    }
    let (good, findings) = place.check();
    assert!(!good && findings[0].starts_with("sign-in failed"), "{findings:#?}");
    assert!(findings[1..].iter().all(|finding| finding.ends_with(" skipped")), "{findings:#?}");
}

#[test]
fn each_missing_privilege_is_named_with_what_gives_it() {
    let place = Place::new(Edition::Enterprise);
    place.let_in();
    let role = "UNCIA_AUDIT_VIEW_ROLE";
    for (taken, step) in [
        ("DATABASE ROLE SNOWFLAKE.SECURITY_VIEWER", "view LOGIN_HISTORY"),
        ("DATABASE ROLE SNOWFLAKE.GOVERNANCE_VIEWER", "view ACCESS_HISTORY"),
        ("DATABASE ROLE SNOWFLAKE.USAGE_VIEWER", "view DATA_TRANSFER_HISTORY"),
        ("DATABASE ROLE SNOWFLAKE.OBJECT_VIEWER", "view STAGES"),
        ("USAGE ON WAREHOUSE UNCIA_WH", "warehouse"),
    ] {
        place.double.run_script(&format!("REVOKE {taken} FROM ROLE {role};")).unwrap();
        let (good, findings) = place.check();
        let expected = format!("{step} failed GRANT {taken} TO ROLE {role}");
        assert!(!good && findings.contains(&expected), "{expected}: {findings:#?}");
        // What it says is what helps.
        place.double.run_script(&format!("GRANT {taken} TO ROLE {role};")).unwrap();
        let (good, findings) = place.check();
        assert!(good, "{taken}: {findings:#?}");
    }
    let user = "UNCIA_AUDIT_VIEW_USER";
    place.double.run_script(&format!("REVOKE ROLE {role} FROM USER {user};")).unwrap();
    let (_, findings) = place.check();
    assert_eq!(findings[0], format!("role failed GRANT ROLE {role} TO USER {user}"));
    place.double.run_script(&format!("GRANT ROLE {role} TO USER {user};")).unwrap();
    place.double.run_script(&format!("ALTER USER {user} UNSET RSA_PUBLIC_KEY;")).unwrap();
    let (_, findings) = place.check();
    assert!(findings[0].starts_with("sign-in failed compare account, user, fingerprint and clock"), "{findings:#?}");
}

#[test]
fn copies_of_the_views_are_read_with_grants_on_them_alone() {
    let place = Place::new(Edition::Enterprise);
    place.configure("database = \"AUDIT\"\nschema = \"Copies\"\nviews = [\"LOGIN_HISTORY\", \"SESSIONS\"]\n");
    let mut copies = "CREATE DATABASE AUDIT; CREATE SCHEMA AUDIT.\"Copies\";".to_owned();
    for view in [
        "LOGIN_HISTORY",
        "SESSIONS",
        "USERS",
        "ROLES",
        "GRANTS_TO_USERS",
        "GRANTS_TO_ROLES",
        "NETWORK_POLICIES",
        "NETWORK_RULES",
        "PASSWORD_POLICIES",
        "SESSION_POLICIES",
        "CREDENTIALS",
        "SHARES",
        "STAGES",
    ] {
        copies += &format!("CREATE VIEW AUDIT.\"Copies\".{view} AS SELECT * FROM SNOWFLAKE.ACCOUNT_USAGE.{view};");
    }
    place.double.run_script(&copies).unwrap();
    place.let_in();
    let (good, findings) = place.check();
    assert!(good, "{findings:#?}");
    assert!(!place.ok(&["snowflake", "setup-sql"]).contains("DATABASE ROLE"));
    place.double.run_script("REVOKE SELECT ON VIEW AUDIT.\"Copies\".SESSIONS FROM ROLE UNCIA_AUDIT_VIEW_ROLE").unwrap();
    let (good, findings) = place.check();
    let finding = findings.iter().find(|finding| finding.starts_with("view SESSIONS")).unwrap();
    assert!(
        !good && finding.ends_with("GRANT SELECT ON VIEW AUDIT.\"Copies\".SESSIONS TO ROLE UNCIA_AUDIT_VIEW_ROLE"),
        "{findings:#?}"
    );
}

#[test]
fn an_edition_without_a_view_is_a_note() {
    let place = Place::new(Edition::Standard);
    place.let_in();
    let (good, findings) = place.check();
    assert!(good && findings.contains(&"view ACCESS_HISTORY note".to_owned()), "{findings:#?}");
}

#[test]
fn a_key_is_rotated_while_pulls_go_on_and_no_private_part_shows() {
    let place = Place::new(Edition::Enterprise);
    // Of the owner's own making, so that the test knows what must not be found.
    let (first, second) = (RsaKey::generate(KeySize::Bits2048).unwrap(), RsaKey::generate(KeySize::Bits2048).unwrap());
    let mut said = String::new();
    let file = place.home.path().join("first.p8");
    std::fs::write(&file, first.to_pem().unwrap().expose()).unwrap();
    let next = place.home.path().join("second.p8");
    std::fs::write(&next, second.to_pem().unwrap().expose()).unwrap();
    said += &place.ok(&["snowflake", "key", "prod", "--from", &file.display().to_string()]);
    let script = place.ok(&["snowflake", "setup-sql", "prod", "--create-warehouse"]);
    place.double.run_script(&script).unwrap();
    let pull = || {
        let output = place.run(&["snowflake", "pull", "prod"]);
        let text = stdout(&output) + &stderr(&output);
        assert!(text.contains("LOGIN_HISTORY"), "{text}");
        text
    };
    said += &pull();

    let sql = place.ok(&["snowflake", "rotate", "prod", "--from", &next.display().to_string()]);
    assert!(sql.starts_with("ALTER USER UNCIA_AUDIT_VIEW_USER SET RSA_PUBLIC_KEY_2 = '"), "{sql}");
    said += &pull();
    let early = place.fails(&["snowflake", "rotate", "prod", "--save"], 1);
    assert!(early.contains("the staged key does not sign in, so the active one stays"), "{early}");
    said += &early;
    said += &pull();
    place.double.run_script(&sql).unwrap();
    said += &place.ok(&["snowflake", "rotate", "prod", "--save"]);
    said += &pull();
    // The first key may be gone over there from now on.
    place.double.run_script("ALTER USER UNCIA_AUDIT_VIEW_USER UNSET RSA_PUBLIC_KEY;").unwrap();
    said += &pull();
    let soon = place.fails(&["snowflake", "rotate", "prod", "--clean-up"], 1);
    assert!(soon.contains("tokens signed with the former key may be in use until"), "{soon}");

    said += &stdout(&place.run(&["secrets", "rotate-key"]));
    said += &pull();
    said += &place.ok(&["secrets", "list"]);
    let log = place.ok(&["secrets", "log"]);
    for action in ["key made", "key staged", "key swapped", first.fingerprint(), second.fingerprint()] {
        assert!(log.contains(action), "{log}");
    }
    said += &log;
    said += &place.ok(&["config", "show"]);
    said += &place.ok(&["snowflake", "rotate", "prod", "--show", "--json"]);
    for key in [&first, &second] {
        for mark in marks(&key.to_pem().unwrap()) {
            assert!(!contains(said.as_bytes(), &mark), "a private key was printed");
            assert_eq!(holders(&place.data(), &mark), [] as [PathBuf; 0]);
        }
    }
    // The search would find one: a public part, which is sealed too, and one that lies open.
    assert!(said.contains(second.fingerprint()));
    std::fs::copy(&file, place.data().join("open")).unwrap();
    assert_eq!(holders(&place.data(), &marks(&first.to_pem().unwrap())[1]).len(), 1);
}

#[test]
fn a_named_key_pair_takes_over_from_a_slot() {
    let place = Place::new(Edition::Enterprise);
    place.let_in();
    let sql = place.ok(&["snowflake", "rotate", "--named", "UNCIA_KEY"]);
    assert!(sql.starts_with("ALTER USER UNCIA_AUDIT_VIEW_USER ADD KEY PAIR UNCIA_KEY PUBLIC_KEY = '"), "{sql}");
    place.double.run_script(&sql).unwrap();
    place.ok(&["snowflake", "rotate", "--save"]);
    place.double.run_script("ALTER USER UNCIA_AUDIT_VIEW_USER UNSET RSA_PUBLIC_KEY;").unwrap();
    let (good, findings) = place.check();
    assert!(good, "{findings:#?}");
    // A source that is given up leaves nothing.
    place.ok(&["secrets", "forget", "snowflake/prod/key_pair"]);
    place.fails(&["secrets", "forget", "snowflake/prod/key_pair"], 2);
    assert_eq!(place.ok(&["secrets", "list", "--json"]).trim(), "[]");
}

/// Pieces of a private key that nothing else has: a stretch of its bytes, and the lines that show it as text.
fn marks(pem: &Secret) -> Vec<Vec<u8>> {
    let lines: Vec<&str> = pem.expose().lines().filter(|line| !line.starts_with("-----")).collect();
    // The first lines are its public half.
    let private = &lines[lines.len() / 2..lines.len() - 1];
    let mut marks = vec![unbase64(&private.concat())[..48].to_vec()];
    marks.extend(private.iter().map(|line| line.as_bytes().to_vec()));
    marks
}

fn unbase64(text: &str) -> Vec<u8> {
    let value =
        |byte: u8| b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".iter().position(|c| *c == byte);
    let mut bytes = Vec::new();
    for four in text.as_bytes().chunks_exact(4) {
        let bits = four.iter().fold(0, |bits, byte| bits << 6 | value(*byte).unwrap_or(0));
        bytes.extend(u32::try_from(bits).unwrap().to_be_bytes()[1..].iter());
    }
    bytes
}

fn contains(bytes: &[u8], mark: &[u8]) -> bool {
    bytes.windows(mark.len()).any(|window| window == mark)
}

/// Files below a directory that hold a piece.
fn holders(root: &Path, mark: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holders(&path, mark));
        } else if contains(&std::fs::read(&path).unwrap(), mark) {
            found.push(path);
        }
    }
    found
}

/// A browser's GET: status and body, or where it is sent.
fn browse(url: &str) -> (u16, String, Option<String>) {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let to = head.lines().find_map(|line| line.strip_prefix("location: ")).map(str::to_owned);
    (status, body.to_owned(), to)
}

impl Place {
    /// A source that signs in by OAuth, with its call-back at this address.
    fn configure_oauth(&self, redirect: &str) {
        let oauth = |id: &str, secret: &str| {
            format!(
                "user = \"ANA\"\nsign_in = {{ method = \"oauth\", client_id = \"{id}\", client_secret = \"{secret}\", redirect_uri = \"{redirect}\" }}\n"
            )
        };
        // The client exists once the script has run.
        self.configure(&oauth("none", "none"));
        let script = self.ok(&["snowflake", "setup-sql", "prod", "--create-warehouse"]);
        let ddl: String =
            script.lines().filter(|line| !line.starts_with("SELECT")).map(|line| format!("{line}\n")).collect();
        self.double.run_script("CREATE USER IF NOT EXISTS ANA").unwrap();
        self.double.run_script_as("PUBLIC", &ddl).unwrap();
        let once = self.double.account_state();
        self.double.run_script_as("PUBLIC", &ddl).unwrap();
        assert_eq!(self.double.account_state(), once);
        let (id, secret) = self.double.oauth_client("UNCIA").unwrap();
        self.configure(&oauth(&id, &secret));
    }

    /// Begins a sign-in; the process goes on waiting for its end.
    fn authorise(&self) -> (std::process::Child, String) {
        let config = self.home.path().join("uncia.toml").display().to_string();
        let mut child = command(&self.data())
            .args(["--config", &config, "snowflake", "authorise", "prod"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        (child, url.trim().to_owned())
    }
}

#[test]
fn a_person_consents_and_the_source_reads_until_the_consent_is_revoked() {
    let place = Place::new(Edition::Enterprise);
    // A port that was free a moment ago, as the redirect URI has to be known before.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let callback = format!("http://127.0.0.1:{port}/snowflake/oauth/callback");
    place.configure_oauth(&callback);
    let (good, findings) = place.check();
    assert!(!good, "{findings:#?}");
    assert_eq!(findings[0], "consent failed uncia snowflake authorise prod");

    place.double.set_consent(Consent::As("ANA".to_owned()));
    let server = Server::start_at(&place.data(), &place.home.path().join("uncia.toml"), &format!("127.0.0.1:{port}"));
    let (mut waiting, url) = place.authorise();
    let (_, _, back) = browse(&url);
    let back = back.expect("snowflake sends the browser back");
    let (status, body, _) = browse(&back.replace("state=", "state=x"));
    assert_eq!((status, body.contains("was not begun here")), (400, true), "{body}");
    let (status, body, _) = browse(&format!("{callback}?state=%3Cscript%3E&error=%3Cscript%3E"));
    assert_eq!((status, body.contains("<script>")), (400, false), "{body}");
    let (status, body, _) = browse(&back);
    assert_eq!((status, body.contains("ANA has consented for source prod until")), (200, true), "{body}");
    assert!(waiting.wait().unwrap().success());
    // What the browser carried, and what the client proves itself with, lie nowhere open.
    let state = back.split("state=").nth(1).unwrap().split('&').next().unwrap();
    let (_, secret) = place.double.oauth_client("UNCIA").unwrap();
    for open in [state, secret.as_str()] {
        assert_eq!(holders(&place.data(), open.as_bytes()), [] as [PathBuf; 0]);
    }
    // A replay finds nothing.
    let (status, body, _) = browse(&back);
    assert_eq!((status, body.contains("its link was used before")), (400, true), "{body}");

    let (good, findings) = place.check();
    assert!(good && findings[0] == "consent ok", "{findings:#?}");
    place.double.expire_access_tokens();
    assert!(place.check().0);
    place.double.revoke_consent("ANA");
    let (good, findings) = place.check();
    assert!(!good, "{findings:#?}");
    let (_, findings) = place.check();
    assert_eq!(findings[0], "consent failed uncia snowflake authorise prod");
    // A person who says no is no consent; one who then agrees is.
    place.double.set_consent(Consent::Deny);
    let (mut waiting, url) = place.authorise();
    let (status, body, _) = browse(&browse(&url).2.unwrap());
    assert_eq!((status, body.contains("did not give its consent")), (400, true), "{body}");
    assert!(!waiting.wait().unwrap().success());
    place.double.set_consent(Consent::As("ANA".to_owned()));
    let (mut waiting, url) = place.authorise();
    assert_eq!(browse(&browse(&url).2.unwrap()).0, 200);
    assert!(waiting.wait().unwrap().success());
    assert!(place.check().0);
    server.terminate();
}
