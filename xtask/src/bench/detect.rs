//! `./x bench detect`: all rules of panther-analysis for a log type over a stream of its events, beside panther-core's `Rule.run`,
//! in each of the engine's modes.
//!
//! All must find the same: matches and errors per rule are compared, and what differs is printed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::{Figure, Findings, ROUNDS, answer, folder, machine};
use crate::build::{Profile, build};
use crate::python;
use crate::run::{cargo, run};

const LOG_TYPES: [&str; 4] = ["AWS.CloudTrail", "GCP.AuditLog", "Okta.SystemLog", "GitHub.Audit"];
const MODES: [&str; 3] = ["off", "index", "full"];
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
    /// Ours: calls of `rule()` in Python; pairs of event and rule; of these ruled out, decided natively, and decided
    /// wrongly as a comparison saw.
    #[serde(default)]
    calls: u64,
    #[serde(default)]
    pairs: u64,
    #[serde(default)]
    pruned: u64,
    #[serde(default)]
    decided: u64,
    #[serde(default)]
    diverged: u64,
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

pub(super) fn bench(_samples: &Path) -> Result<Option<Findings>> {
    let Some(content) = std::env::var_os("PANTHER_ANALYSIS_DIR").map(PathBuf::from) else {
        eprintln!("x: skipped: set PANTHER_ANALYSIS_DIR to a checkout of panther-analysis");
        return Ok(None);
    };
    build(Profile::Release)?;
    let examples = ["--example", "bench_detect", "--example", "bench_workers"];
    run(cargo(["build", "--release", "--locked", "-p", "uncia-detection"]).args(examples))?;
    let sides = Sides {
        content,
        peer_python: python::environment("panther-core", PEER_REQUIREMENTS)?,
        packages: python::site_packages(&python::test_environment()?)?,
    };
    let streams = sides.streams()?;
    let mut figures = Vec::new();
    let mut versions = vec![("python (ours)".to_owned(), machine::said("python3", "--version"))];
    for log_type in LOG_TYPES {
        let events = streams.join(format!("{log_type}.ndjson"));
        let (peer, ours) = sides.rounds(log_type, &events)?;
        for (mode, measured) in MODES.iter().zip(&ours) {
            compare(log_type, mode, measured, &peer);
            let name = format!("{log_type}, {mode}: events per second of CPU");
            figures.push(Figure::beside(
                &name,
                "events/s",
                measured.events_per_second(),
                PEER,
                peer.events_per_second(),
            ));
        }
        let full = &ours[MODES.len() - 1];
        let share = |count: u64| 100.0 * count as f64 / full.pairs.max(1) as f64;
        let per_event = |count: u64| count as f64 / full.events as f64;
        figures.push(Figure::alone(format!("{log_type}: ruled out by the index"), "% of pairs", share(full.pruned)));
        figures.push(Figure::alone(format!("{log_type}: decided natively"), "% of pairs", share(full.decided)));
        figures.push(Figure::alone(format!("{log_type}: rules asked in Python"), "per event", per_event(full.calls)));
        if log_type == LOG_TYPES[0] {
            let mut two = None;
            for _ in 0..ROUNDS {
                keep_best(&mut two, sides.ours(log_type, &events, "full", 2)?);
            }
            let two = two.context("there were no rounds")?;
            let microseconds = |side: &Measured| 1e6 * side.cpu_seconds / side.events as f64;
            figures.push(Figure::alone("CPU per event, one worker", "µs", microseconds(full)));
            figures.push(Figure::alone("CPU per event, two workers", "µs", microseconds(&two)));
            let ratio = microseconds(&two) / microseconds(full);
            figures.push(Figure::alone("CPU per event, two workers to one", "x", ratio));
            versions.push(("panther_core".to_owned(), peer.version));
            versions.push(("python (peer)".to_owned(), peer.python));
        }
    }
    figures.extend(sides.workers()?);
    Ok(Some(Findings { figures, versions }))
}

/// What a whole repository costs in two workers, beside their work.
#[derive(Deserialize)]
struct Workers {
    detections: u64,
    /// Until the first worker answers, and until both do.
    start_ms: f64,
    ready_ms: f64,
    /// Until one event is judged: by a worker that is there, and after both were killed.
    calm_ms: f64,
    killed_ms: f64,
    /// Of each process; the first is what the others are copied from.
    rss_mib: Vec<u64>,
    pss_mib: Vec<u64>,
}

/// What both sides are run with.
struct Sides {
    content: PathBuf,
    peer_python: PathBuf,
    packages: PathBuf,
}

impl Sides {
    /// The best of some rounds, interleaved: the peer, and ours in each mode.
    fn rounds(&self, log_type: &str, events: &Path) -> Result<(Measured, Vec<Measured>)> {
        let mut peer_best = None;
        let mut best: Vec<Option<Measured>> = MODES.iter().map(|_| None).collect();
        for _ in 0..ROUNDS {
            for (mode, best) in MODES.iter().zip(&mut best) {
                keep_best(best, self.ours(log_type, events, mode, 1)?);
            }
            let mut peer = Command::new(&self.peer_python);
            peer.arg("xtask/python/bench_detect_peer.py").arg(&self.content).arg(events).arg(log_type);
            keep_best(&mut peer_best, answer(&mut peer)?);
        }
        let best: Option<Vec<Measured>> = best.into_iter().collect();
        peer_best.zip(best).context("there were no rounds")
    }

    fn ours(&self, log_type: &str, events: &Path, mode: &str, workers: usize) -> Result<Measured> {
        let mut ours = Command::new(Profile::Release.directory().join("examples/bench_detect"));
        ours.arg(&self.content).arg(events).arg(log_type).arg(mode).arg(workers.to_string()).arg(&self.packages);
        answer(&mut ours)
    }

    fn workers(&self) -> Result<Vec<Figure>> {
        let mut ours = Command::new(Profile::Release.directory().join("examples/bench_workers"));
        let said: Workers = answer(ours.arg(&self.content).arg(&self.packages))?;
        println!("{} detections in two workers; MiB resident {:?}", said.detections, said.rss_mib);
        let memory = said.pss_mib.iter().sum::<u64>() as f64;
        Ok(vec![
            Figure::alone("workers: all content, until the first answers", "ms", said.start_ms),
            Figure::alone("workers: all content, until both answer", "ms", said.ready_ms),
            Figure::alone("workers: one event", "ms", said.calm_ms),
            Figure::alone("workers: one event after all were killed", "ms", said.killed_ms),
            Figure::alone("workers: memory of all processes, shared pages once", "MiB", memory),
        ])
    }

    /// The generated events of each log type; made by the peer's interpreter, which can read the content's YAML.
    fn streams(&self) -> Result<PathBuf> {
        let folder = folder("detect")?;
        let mut make = Command::new(&self.peer_python);
        run(make.arg("xtask/python/bench_streams.py").arg(&self.content).arg(&folder))?;
        Ok(folder)
    }
}

fn keep_best(best: &mut Option<Measured>, round: Measured) {
    if best.as_ref().is_none_or(|best| round.cpu_seconds < best.cpu_seconds) {
        *best = Some(round);
    }
}

/// Says what the two sides disagree on.
fn compare(log_type: &str, mode: &str, ours: &Measured, theirs: &Measured) {
    let said = |side: &Measured| {
        let (matches, errors) = (side.matches.values().sum::<u64>(), side.errors.values().sum::<u64>());
        format!(
            "{} events, {} rules ({} broken), {matches} matches, {errors} errors",
            side.events,
            side.rules,
            side.broken.len()
        )
    };
    println!("{log_type}, {mode}\nours:  {}, {} decided wrongly\npeer:  {}", said(ours), ours.diverged, said(theirs));
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
