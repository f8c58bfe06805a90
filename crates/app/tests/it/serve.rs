//! A server takes events over HTTP and from a watched folder, alerts, tells a webhook, and stops in order.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::{cell, command, dns_lines};

pub(crate) struct Server {
    child: Child,
    address: String,
}

impl Server {
    pub(crate) fn start(data: &Path, config: &Path) -> Self {
        Self::start_at(data, config, "127.0.0.1:0")
    }

    pub(crate) fn start_at(data: &Path, config: &Path, listen: &str) -> Self {
        let mut child = command(data)
            .arg("--config")
            .arg(config)
            .args(["serve", "--listen", listen])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.split_once("listening on http://").map(|(_, address)| address.trim().to_owned()))
            .expect("the server says where it listens");
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    pub(crate) fn post(&self, path: &str, header: &str, body: &str) -> u16 {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{header}content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// As a service manager does.
    pub(crate) fn terminate(mut self) {
        let id = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }
}

/// Waits for a condition, in looks that each take the time of a query.
pub(crate) fn eventually(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn pushed_and_watched_events_become_rows_and_a_delivery() {
    let home = tempfile::tempdir().unwrap();
    let (data, rules, logs) = (home.path().join("data"), home.path().join("rules"), home.path().join("logs"));
    std::fs::create_dir(&rules).unwrap();
    std::fs::create_dir(&logs).unwrap();
    std::fs::write(rules.join("any.py"), "def rule(event):\n    return event.get('uid') == 'C3'\n").unwrap();
    std::fs::write(
        rules.join("any.yml"),
        "AnalysisType: rule\nRuleID: Test.Any\nEnabled: true\nFilename: any.py\nLogTypes: [Zeek.DNS]\nSeverity: Critical\n",
    )
    .unwrap();
    let webhook = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = home.path().join("uncia.toml");
    let text = format!(
        r#"
        [batch]
        max_wait_ms = 50
        [detections]
        folders = ["{}"]
        workers = 1
        [[sources.http]]
        id = "push"
        auth = {{ method = "bearer", token = "t0ken" }}
        [[sources.watch]]
        id = "folder"
        paths = ["{}"]
        interval_seconds = 1
        [[destinations]]
        id = "hook"
        type = "webhook"
        config = {{ url = "http://{}/alerts", allow_private = true }}
        "#,
        rules.display(),
        logs.display(),
        webhook.local_addr().unwrap(),
    );
    std::fs::write(&config, text).unwrap();

    let server = Server::start(&data, &config);
    assert_eq!(server.post("/http/push", "", &dns_lines(0..5)), 401);
    assert_eq!(server.post("/http/push", "authorization: Bearer t0ken\r\n", &dns_lines(0..5)), 200);
    std::fs::write(logs.join("dns.log"), dns_lines(100..110)).unwrap();

    let (mut stream, _) = webhook.accept().unwrap();
    let mut head = [0; 4096];
    let length = stream.read(&mut head).unwrap();
    let told = String::from_utf8_lossy(&head[..length]).into_owned();
    assert!(told.starts_with("POST /alerts"), "{told}");
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();

    eventually("pushed and watched rows are there", || {
        let tables = super::stdout(&super::uncia(&data, &["tables", "--json"]));
        tables.contains("logs.zeek_dns") && cell(&data, "SELECT count(*) FROM logs.zeek_dns") == json!(15)
    });
    server.terminate();

    // What was taken from the folder is known after a restart.
    let server = Server::start(&data, &config);
    assert_eq!(server.post("/http/push", "authorization: Bearer t0ken\r\n", &dns_lines(5..6)), 200);
    server.terminate();
    assert_eq!(cell(&data, "SELECT count(*) FROM logs.zeek_dns"), json!(16));
    assert_eq!(cell(&data, "SELECT count(DISTINCT p_row_id) FROM logs.zeek_dns"), json!(16));
}
