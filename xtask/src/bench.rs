//! `./x bench NAME`: our figure and a peer's in one run, from the same bytes.
//!
//! Figures are CPU seconds as the kernel counts them, user and system, the best of interleaved rounds: a busy machine slows
//! both sides. What counts is the ratio; no absolute time ever fails a run. docs/benchmarks.md says how each is measured.

mod detect;
mod ingest;
mod machine;
mod process;
pub(crate) mod snowflake_pull;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::accept::sample_data;
use crate::build::target_directory;
use crate::run::{show, status_error};

/// Rounds in which both sides are measured in turn.
const ROUNDS: usize = 3;

/// One line of a bench's table. A figure without a peer is a closer look at ours.
#[derive(Debug, Serialize, Deserialize)]
struct Figure {
    name: String,
    value: f64,
    unit: String,
    peer: Option<String>,
    peer_value: Option<f64>,
    ratio: Option<f64>,
}

impl Figure {
    fn beside(name: impl Into<String>, unit: &str, value: f64, peer: &str, peer_value: f64) -> Self {
        let (peer, ratio) = (Some(peer.to_owned()), Some(value / peer_value));
        Self { name: name.into(), value, unit: unit.to_owned(), peer, peer_value: Some(peer_value), ratio }
    }

    fn alone(name: impl Into<String>, unit: &str, value: f64) -> Self {
        Self { name: name.into(), value, unit: unit.to_owned(), peer: None, peer_value: None, ratio: None }
    }
}

/// What a bench found: the figures, and the versions of what took part.
struct Findings {
    figures: Vec<Figure>,
    versions: Vec<(String, String)>,
}

pub(crate) fn bench(name: &str, json: bool) -> Result<()> {
    let bench = match name {
        "process" => process::bench,
        "ingest" => ingest::bench,
        "detect" => detect::bench,
        "snowflake-pull" => snowflake_pull::bench,
        other => bail!("there is no bench {other}; there are process, ingest, detect and snowflake-pull"),
    };
    let Some(samples) = sample_data() else {
        eprintln!("x: no sample logs: set UNCIA_SAMPLE_DATA to their folder");
        return Ok(());
    };
    let Some(findings) = bench(&samples)? else { return Ok(()) };
    let machine = machine::describe(findings.versions);
    println!("\n{name}, on {}", machine.line());
    println!("{:<44} {:>12}  {:<14} {:<28} {:>12} {:>7}", "", "ours", "unit", "peer", "peer's", "ratio");
    for figure in &findings.figures {
        let peer = figure.peer.as_deref().unwrap_or_default();
        let peer_value = figure.peer_value.map(|value| format!("{value:.1}")).unwrap_or_default();
        let ratio = figure.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        let (name, value, unit) = (&figure.name, figure.value, &figure.unit);
        println!("{name:<44} {value:>12.1}  {unit:<14} {peer:<28} {peer_value:>12} {ratio:>7}");
    }
    if json {
        println!("{}", serde_json::json!({"bench": name, "machine": machine, "results": findings.figures}));
    }
    Ok(())
}

/// Where a bench keeps its input and its scratch.
fn folder(name: &str) -> Result<PathBuf> {
    let folder = std::path::absolute(target_directory().join("bench").join(name))?;
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// A Python script beside us, in the system's interpreter.
fn script(name: &str) -> Command {
    let mut command = Command::new("python3");
    command.arg(format!("xtask/python/{name}"));
    command
}

/// Runs a command in sight and reads each line of its output as JSON.
fn answers<T: DeserializeOwned>(command: &mut Command) -> Result<Vec<T>> {
    let line = show(command);
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start {line}"))?;
    status_error(&line, output.status)?;
    let text = String::from_utf8(output.stdout).with_context(|| format!("what {line} printed"))?;
    let read = |answer| serde_json::from_str(answer).with_context(|| format!("{line} printed {answer}"));
    text.lines().map(read).collect()
}

/// The one answer of a command.
fn answer<T: DeserializeOwned>(command: &mut Command) -> Result<T> {
    answers(command)?.pop().context("a bench's program printed nothing")
}
