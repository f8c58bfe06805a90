//! `./x conformance`: the unit tests of a detection repository on our engine and, if asked for, on Panther's own tool.
//!
//! The tool is a peer: it runs unmodified from its package, in an environment of its own, on the same files. It runs
//! neither rules in YAML alone nor correlation rules, and checks tables of queries that we do not.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::build::{Profile, build};
use crate::python;
use crate::run::{show, status_error};

const REQUIREMENTS: &str = "xtask/python/requirements-peer.txt";

pub(crate) fn conformance(peer: bool, arguments: &[String]) -> Result<()> {
    let binary = std::path::absolute(build(Profile::Release)?)?;
    let pairs = ours(Command::new(&binary).arg("conformance").args(arguments))?;
    if !peer {
        return Ok(());
    }
    let folder = std::env::var_os("PANTHER_ANALYSIS_DIR").map(PathBuf::from);
    let folder = folder.context("--peer needs PANTHER_ANALYSIS_DIR, a checkout of panther-analysis")?;
    // The whole command on both sides, from its start to its end.
    let (our_time, our_summary) = timed(Command::new(&binary).args(["test", "--show-failures-only"]), &folder)?;
    let (their_time, their_summary) = panther_analysis_tool(&folder)?;
    println!("\n{:<34}{:>10}  summary", "unit tests of the repository", "wall");
    for (name, time, summary) in
        [("uncia test", our_time, our_summary), ("panther_analysis_tool test", their_time, their_summary)]
    {
        println!("{name:<34}{:>8.1} s  {summary}", time.as_secs_f64());
    }
    println!("{:<34}{:>8.1} x", "ratio", their_time.as_secs_f64() / our_time.as_secs_f64());
    println!("\ntheir events, each against the rules of its log type");
    pairs.iter().for_each(|line| println!("  {line}"));
    Ok(())
}

/// Runs our conformance in sight of the person; what it says of pairs of event and detection.
fn ours(command: &mut Command) -> Result<Vec<String>> {
    let line = show(command);
    let mut child = command.stderr(Stdio::piped()).spawn().with_context(|| format!("cannot start {line}"))?;
    let said = child.stderr.take().context("its error output was asked for")?;
    let mut pairs = Vec::new();
    for said in BufReader::new(said).lines() {
        let said = said?;
        eprintln!("{said}");
        if said.contains("pairs of event and detection") {
            pairs.extend(said.split([';', ',', ':']).map(|part| part.trim().to_owned()));
        }
    }
    status_error(&line, child.wait()?)?;
    Ok(pairs)
}

/// How long the tool takes; what it says of tests is its own affair.
fn panther_analysis_tool(folder: &Path) -> Result<(Duration, String)> {
    let python = std::path::absolute(python::environment("peer", REQUIREMENTS)?)?;
    let mut command = Command::new(python.with_file_name("panther_analysis_tool"));
    timed(command.args(["test", "--path", ".", "--ignore-table-names", "--show-failures-only"]), folder)
}

/// How long a command takes in the repository, and its summary: the lines with numbers at its end, as one.
fn timed(command: &mut Command, folder: &Path) -> Result<(Duration, String)> {
    let line = show(command);
    let begun = Instant::now();
    let output = command.current_dir(folder).output().with_context(|| format!("cannot start {line}"))?;
    let took = begun.elapsed();
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    let summary = said.lines().skip_while(|line| !line.contains("Test Summary"));
    let numbers = summary.filter(|line| line.contains(|c: char| c.is_ascii_digit())).map(str::trim);
    Ok((took, numbers.collect::<Vec<_>>().join(", ")))
}
