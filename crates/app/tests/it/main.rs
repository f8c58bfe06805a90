//! The built binary, as a user runs it.

#![expect(clippy::unwrap_used, reason = "tests")]

mod alarms;
mod cost;
mod demo;
mod discovery;
mod failures;
mod ingest;
mod insight;
mod lookups;
mod posture;
mod posture_kills;
mod posture_pulled;
mod published;
mod pull;
mod queries;
mod reload;
mod replay;
mod scheduled;
mod serve;
mod snapshots;
mod snowflake_answers;
mod snowflake_setup;
mod snowflake_state;
mod two_processes;

use std::path::Path;
use std::process::{Command, Output};

/// Zeek DNS lines that differ in `uid` and query.
pub(crate) fn dns_lines(range: std::ops::Range<usize>) -> String {
    let line = |n: usize| {
        format!(
            r#"{{"_path":"dns","ts":"2018-03-24T17:15:20.8657{:02}Z","uid":"C{n}","id.orig_h":"10.47.1.100","id.orig_p":41772,"id.resp_h":"10.0.0.100","id.resp_p":53,"proto":"udp","query":"host{n}.example"}}"#,
            n % 100
        ) + "\n"
    };
    range.map(line).collect()
}

/// `uncia` on a data directory, without the bundled detections unless asked for.
pub(crate) fn uncia(data: &Path, arguments: &[&str]) -> Output {
    command(data).args(arguments).output().unwrap()
}

pub(crate) fn command(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_uncia"));
    command.env("UNCIA__DETECTIONS__BUNDLED", "false").env_remove("UNCIA_CONFIG").arg("--data-dir").arg(data);
    command
}

pub(crate) fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The one cell of a query's one row.
pub(crate) fn cell(data: &Path, sql: &str) -> serde_json::Value {
    let text = stdout(&uncia(data, &["query", "--format", "ndjson", sql]));
    let row: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text.trim()).unwrap();
    row.into_iter().next().unwrap().1
}
