//! `./x bench detect`: all CloudTrail rules of panther-analysis over a stream of events, beside panther-core's `Rule.run`.
//!
//! Both sides must find the same: matches per rule are compared, and what differs is printed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::{Figure, Findings, ROUNDS, answer, folder, machine, script};
use crate::build::{Profile, build};
use crate::python;
use crate::run::{cargo, run};

const LOG_TYPE: &str = "AWS.CloudTrail";
const PEER: &str = "panther_core Rule.run";
const PEER_REQUIREMENTS: &str = "xtask/python/requirements-panther-core.txt";

/// What either side prints.
#[derive(Deserialize)]
struct Measured {
    events: u64,
    rules: u64,
    cpu_seconds: f64,
    matches: BTreeMap<String, u64>,
    errors: BTreeMap<String, u64>,
    /// Rules that could not be loaded, and why.
    broken: BTreeMap<String, String>,
    /// Ours: calls of `rule()` in Python.
    #[serde(default)]
    calls: u64,
    #[serde(default)]
    version: String,
    #[serde(default)]
    python: String,
}

impl Measured {
    fn events_per_second(&self) -> f64 {
        self.events as f64 / self.cpu_seconds
    }
}

pub(super) fn bench(samples: &Path) -> Result<Option<Findings>> {
    let Some(content) = std::env::var_os("PANTHER_ANALYSIS_DIR").map(PathBuf::from) else {
        eprintln!("x: skipped: set PANTHER_ANALYSIS_DIR to a checkout of panther-analysis");
        return Ok(None);
    };
    let binary = std::path::absolute(build(Profile::Release)?)?;
    run(&mut cargo(["build", "--release", "--locked", "-p", "uncia-detection", "--example", "bench_detect"]))?;
    let peer_python = python::environment("panther-core", PEER_REQUIREMENTS)?;
    let packages = site_packages(&python::test_environment()?)?;
    let events = events(&binary, samples)?;

    let ours = Profile::Release.directory().join("examples/bench_detect");
    let (mut our_best, mut peer_best): (Option<Measured>, Option<Measured>) = (None, None);
    for _ in 0..ROUNDS {
        let round = answer(Command::new(&ours).arg(&content).arg(&events).arg(LOG_TYPE).arg(&packages))?;
        keep_best(&mut our_best, round);
        let mut peer = Command::new(&peer_python);
        peer.arg("xtask/python/bench_detect_peer.py").arg(&content).arg(&events).arg(LOG_TYPE);
        keep_best(&mut peer_best, answer(&mut peer)?);
    }
    let (ours, theirs) = our_best.zip(peer_best).context("there were no rounds")?;
    compare(&ours, &theirs);

    let per_event = |count: u64| count as f64 / ours.events as f64;
    let pairs = |side: &Measured| side.events_per_second() * side.rules as f64 / 1e3;
    let figures = vec![
        Figure::beside(
            "events per second of CPU",
            "events/s",
            ours.events_per_second(),
            PEER,
            theirs.events_per_second(),
        ),
        Figure::beside("rules judged per second of CPU", "k rules/s", pairs(&ours), PEER, pairs(&theirs)),
        Figure::alone("rules asked in Python, per event", "calls", per_event(ours.calls)),
        Figure::alone("matches, per 100 events", "matches", 100.0 * per_event(ours.matches.values().sum())),
    ];
    let ours_python = machine::said("python3", "--version");
    let versions = vec![
        ("panther_core".to_owned(), theirs.version),
        ("python (peer)".to_owned(), theirs.python),
        ("python (ours)".to_owned(), ours_python),
    ];
    Ok(Some(Findings { figures, versions }))
}

fn keep_best(best: &mut Option<Measured>, round: Measured) {
    if best.as_ref().is_none_or(|best| round.cpu_seconds < best.cpu_seconds) {
        *best = Some(round);
    }
}

/// The stream: real CloudTrail in its normal form, shuffled and repeated.
fn events(binary: &Path, samples: &Path) -> Result<PathBuf> {
    let folder = folder("detect")?;
    let normal_form = folder.join("normal.ndjson");
    let mut parse = Command::new(binary);
    parse.args(["schema", "parse", "--log-type", LOG_TYPE]).arg(samples.join("cloudtrail-stratus"));
    run(parse.stdout(File::create(&normal_form)?))?;
    run(script("bench_data.py").arg("detect").arg(&normal_form).arg(&folder))?;
    Ok(folder.join("events.ndjson"))
}

/// Where an environment keeps its packages, for our workers to import from.
fn site_packages(python: &Path) -> Result<PathBuf> {
    let ask = "import sysconfig; print(sysconfig.get_path('purelib'))";
    let output = Command::new(python).args(["-c", ask]).output()?;
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}

/// Says what the two sides disagree on.
fn compare(ours: &Measured, theirs: &Measured) {
    let said = |side: &Measured| {
        let (matches, errors) = (side.matches.values().sum::<u64>(), side.errors.values().sum::<u64>());
        format!(
            "{} events, {} rules ({} broken), {matches} matches, {errors} errors",
            side.events,
            side.rules,
            side.broken.len()
        )
    };
    println!("ours:  {}\npeer:  {}", said(ours), said(theirs));
    let sides = [("ours", ours), ("peer", theirs)];
    for (name, side) in sides {
        side.broken.iter().for_each(|(rule, reason)| println!("  {name}: {rule} cannot be loaded: {reason}"));
    }
    for (what, ours, theirs) in [("matches", &ours.matches, &theirs.matches), ("errors", &ours.errors, &theirs.errors)]
    {
        let rules: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        let count = |side: &BTreeMap<String, u64>, rule: &String| side.get(rule).copied().unwrap_or(0);
        let differ: Vec<_> = rules.into_iter().filter(|rule| count(ours, rule) != count(theirs, rule)).collect();
        match differ.is_empty() {
            true => println!("{what} per rule: equal"),
            false => println!("{what} per rule DIFFER:"),
        }
        for rule in differ {
            println!("  {rule}: ours {}, peer {}", count(ours, rule), count(theirs, rule));
        }
    }
}
