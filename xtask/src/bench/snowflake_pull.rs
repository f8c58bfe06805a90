//! `./x bench snowflake-pull`: simulated months of a Snowflake account, pulled by the built binary while it is killed and
//! throttled, beside the usual recipe "cursor beyond the last maximum" at the same pulls.
//!
//! `UNCIA_PULL_MONTHS` names other months: seeds, days, statements a week, minutes between pulls, shares of kills and outages.
//! A busy year is `1 365 200000 1440 0.05 0.005`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::{Figure, Findings, answer};
use crate::build::{Profile, build, target_directory};
use crate::run::{cargo, run};

/// Two months of 5,000 statements a week; a pull every two hours, one in twenty of them killed.
const MONTHS: &str = "2 30 5000 120 0.05 0.005";
const PEER: &str = "cursor > last maximum";

/// What the program of months prints.
#[derive(Deserialize)]
struct Months {
    events: u64,
    lost: u64,
    doubled: u64,
    strange: u64,
    stale: u64,
    pulls: u64,
    killed: u64,
    faults: u64,
    statements: u64,
    rows_scanned: u64,
    rows_read: u64,
    naive_lost: u64,
    naive_events: u64,
    pull_seconds: f64,
    seconds: f64,
    peak_bytes: u64,
    double_peak_bytes: u64,
    kept_bytes: u64,
}

pub(super) fn bench(_samples: &Path) -> Result<Option<Findings>> {
    let months = std::env::var("UNCIA_PULL_MONTHS").unwrap_or_else(|_| MONTHS.to_owned());
    let binary = std::path::absolute(build(Profile::Release)?)?;
    let output = answer(Command::new(program()?).arg(binary).args(months.split_whitespace()));
    let months_said: Months = output.context("the months were not pulled right")?;
    Ok(Some(Findings { figures: figures(&months_said), versions: vec![("months".to_owned(), months)] }))
}

/// Builds the program that plays months.
pub(crate) fn program() -> Result<PathBuf> {
    let features = ["build", "--release", "--locked", "-p", "uncia-app", "-p", "uncia-pyworker"];
    run(cargo(features).args(["--example", "pull_months"]))?;
    Ok(target_directory().join("release/examples/pull_months"))
}

fn figures(months: &Months) -> Vec<Figure> {
    let per = |count: u64, of: u64| count as f64 / of.max(1) as f64;
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let mut naive = Figure::alone("rows lost", "of all events", months.lost as f64);
    naive.peer = Some(PEER.to_owned());
    naive.peer_value = Some(months.naive_lost as f64);
    vec![
        naive,
        Figure::alone("rows doubled", "of all events", months.doubled as f64),
        Figure::alone("rows that never happened", "of all events", months.strange as f64),
        Figure::alone("sessions still open in the lake", "of all events", months.stale as f64),
        Figure::alone("events", "events", months.events as f64),
        Figure::alone("statements of which the recipe lost so many", "statements", months.naive_events as f64),
        Figure::alone("rows read per event", "rows", per(months.rows_read, months.events)),
        Figure::alone("rows scanned per event", "rows", per(months.rows_scanned, months.events)),
        Figure::alone("statements asked per pull", "statements", per(months.statements, months.pulls)),
        Figure::alone("pulls", "pulls", months.pulls as f64),
        Figure::alone("pulls killed", "pulls", months.killed as f64),
        Figure::alone("faults of the account", "faults", months.faults as f64),
        Figure::alone("time of all pulls", "s", months.pull_seconds),
        Figure::alone("time of everything, seeds two at a time", "s", months.seconds),
        Figure::alone("memory of a pull at most", "MiB", mebibytes(months.peak_bytes)),
        Figure::alone("memory of the account and the judge at most", "MiB", mebibytes(months.double_peak_bytes)),
        Figure::alone("lake and store in the end", "MiB", mebibytes(months.kept_bytes)),
    ]
}
