//! `./x conformance`: the unit tests of a detection repository on our engine and, if asked for, on Panther's own tool.
//!
//! The tool is a peer: it runs unmodified from its package, in an environment of its own, on the same files. It runs
//! neither rules in YAML alone nor correlation rules, and checks tables of queries that we do not.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::build::{Profile, build};
use crate::python;
use crate::run::{run, show};

const REQUIREMENTS: &str = "xtask/python/requirements-peer.txt";

pub(crate) fn conformance(peer: bool, arguments: &[String]) -> Result<()> {
    let binary = std::path::absolute(build(Profile::Release)?)?;
    let begun = Instant::now();
    run(Command::new(binary).arg("conformance").args(arguments))?;
    let ours = begun.elapsed();
    if !peer {
        return Ok(());
    }
    let theirs = panther_analysis_tool()?;
    let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
    println!(
        "wall time: {:.1} s, panther_analysis_tool {:.1} s ({ratio:.1}x)",
        ours.as_secs_f64(),
        theirs.as_secs_f64()
    );
    Ok(())
}

/// How long the tool takes; what it says of tests is its own affair.
fn panther_analysis_tool() -> Result<Duration> {
    let folder = std::env::var_os("PANTHER_ANALYSIS_DIR").map(PathBuf::from);
    let folder = folder.context("--peer needs PANTHER_ANALYSIS_DIR, a checkout of panther-analysis")?;
    let python = std::path::absolute(python::environment("peer", REQUIREMENTS)?)?;
    let tool = python.with_file_name("panther_analysis_tool");
    let mut command = Command::new(tool);
    command.args(["test", "--path", ".", "--ignore-table-names", "--show-failures-only"]).current_dir(folder);
    show(&command);
    let begun = Instant::now();
    let output = command.output().context("cannot start panther_analysis_tool")?;
    let took = begun.elapsed();
    let said = String::from_utf8_lossy(&output.stdout);
    said.lines().skip_while(|line| !line.contains("Test Summary")).for_each(|line| println!("{line}"));
    Ok(took)
}
