//! `./x accept`: the proofs that take longer than a change should wait, on the release build and on real logs.
//!
//! Each is a program of its own that prints what it saw and fails if that is wrong.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::build::{Profile, build};
use crate::python;
use crate::run::{cargo, run};

/// What a proof may use.
struct Ground {
    binary: PathBuf,
    /// Real logs, of `UNCIA_SAMPLE_DATA` or beside the checkout.
    samples: Option<PathBuf>,
    python: PathBuf,
}

type Proof = (&'static str, fn(&Ground) -> Result<()>);

/// All proofs, cheap ones first.
const PROOFS: &[Proof] = &[
    ("hostile-rules", hostile_rules),
    ("differential", differential),
    ("power-loss", power_loss),
    ("bad-input", bad_input),
    ("snowflake-clients", snowflake_clients),
    ("discovery", discovery),
    ("reload", reload),
    ("live", live),
    ("poison", poison),
    ("replay", replay),
    ("real-logs", real_logs),
    ("open-access", open_access),
    ("matches", matches),
    ("kill", kill),
    ("snowflake-pull", snowflake_pull),
    ("fuzz", |_| crate::fuzz::fuzz()),
];

pub(crate) fn accept(filter: Option<&str>) -> Result<()> {
    if filter == Some("fuzz") {
        // It needs nothing of the product's build.
        return crate::fuzz::fuzz();
    }
    let binary = std::path::absolute(build(Profile::Release)?)?;
    let ground = Ground { binary, samples: sample_data(), python: python::test_environment()? };
    if ground.samples.is_none() {
        eprintln!("x: no sample logs: set UNCIA_SAMPLE_DATA to their folder; the proofs on real logs are skipped");
    }
    let mut failed = Vec::new();
    for (name, proof) in PROOFS.iter().filter(|(name, _)| filter.is_none_or(|filter| name.contains(filter))) {
        println!("\n== {name}");
        if let Err(error) = proof(&ground) {
            println!("== {name} FAILED: {error:#}");
            failed.push(*name);
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("failed: {}", failed.join(", ")) }
}

/// The folder of real logs that tests and benches run on.
pub(crate) fn sample_data() -> Option<PathBuf> {
    let named = std::env::var_os("UNCIA_SAMPLE_DATA").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| PathBuf::from("../shared/data"));
    std::path::absolute(folder).ok().filter(|folder| folder.is_dir())
}

/// Rules that loop, crash, eat memory: beside good ones, on the engine as it ships.
fn hostile_rules(_: &Ground) -> Result<()> {
    run(&mut engine_tests("hostile"))
}

/// Every test event of a log type and many mutants of each, against every rule of that log type: what is decided without
/// Python is what Python says.
fn differential(_: &Ground) -> Result<()> {
    if public_content().is_none() {
        return Ok(());
    }
    let packages = python::site_packages(&python::test_environment()?)?;
    let mut command = engine_tests("differential::the_public_rules_say_the_same_in_all_modes");
    command.env("UNCIA_TEST_PACKAGES", packages);
    if std::env::var_os("UNCIA_MUTANTS").is_none() {
        command.env("UNCIA_MUTANTS", "3000");
    }
    run(&mut command)
}

/// The engine's tests of that name, long ones included, on the release build.
fn engine_tests(filter: &str) -> Command {
    let mut command = cargo(["nextest", "run", "--locked", "--release", "--run-ignored=all", "--no-capture"]);
    command.args(["-p", "uncia-detection", filter]);
    command
}

/// The checkout of panther-analysis, or a word on how to name it.
fn public_content() -> Option<OsString> {
    let content = std::env::var_os("PANTHER_ANALYSIS_DIR");
    if content.is_none() {
        println!("skipped: set PANTHER_ANALYSIS_DIR to a checkout of panther-analysis");
    }
    content
}

/// The simulated file system that loses unsynced writes, many more seeds than in a test run.
fn power_loss(_: &Ground) -> Result<()> {
    run(cargo(["nextest", "run", "--locked", "--release", "-p", "uncia-wal"]).env("PROPTEST_CASES", "20000"))
}

fn bad_input(ground: &Ground) -> Result<()> {
    script(ground, "accept_bad_input.py", &[])
}

/// The official Python connector and command line of Snowflake, let in and refused by our double where they should be.
fn snowflake_clients(_: &Ground) -> Result<()> {
    let python = python::environment("snowflake", "xtask/python/requirements-snowflake.txt")?;
    // The whole workspace, as its tests are built: a package alone would build the SQL engine with other features.
    let mut command = cargo(["nextest", "run", "--locked", "--workspace", "--test", "it", "--no-capture"]);
    command.args(["-E", "package(uncia-snowflake-double) and test(official)"]);
    run(command.env("UNCIA_SNOWFLAKE_PYTHON", python))
}

/// New fields appear while events flow in and queries run.
fn discovery(ground: &Ground) -> Result<()> {
    script(ground, "accept_discovery.py", &[])
}

/// Detections are edited a hundred times under 5,000 events a second.
fn reload(ground: &Ground) -> Result<()> {
    script(ground, "accept_reload.py", &[])
}

/// Alerts come as fast beside `uncia replay` as without it.
fn live(ground: &Ground) -> Result<()> {
    script(ground, "accept_live.py", &[])
}

fn poison(ground: &Ground) -> Result<()> {
    script(ground, "accept_poison.py", &[])
}

/// `uncia failures replay`, killed again and again.
fn replay(ground: &Ground) -> Result<()> {
    script(ground, "accept_replay.py", &[])
}

fn real_logs(ground: &Ground) -> Result<()> {
    let Some(samples) = &ground.samples else { return Ok(()) };
    script(ground, "accept_real_logs.py", std::slice::from_ref(samples))
}

fn open_access(ground: &Ground) -> Result<()> {
    let Some(samples) = &ground.samples else { return Ok(()) };
    script(ground, "accept_open_access.py", std::slice::from_ref(samples))
}

fn matches(ground: &Ground) -> Result<()> {
    let Some(samples) = &ground.samples else { return Ok(()) };
    let Some(content) = public_content() else { return Ok(()) };
    script(ground, "accept_matches.py", &[samples.clone(), content.into()])
}

fn kill(ground: &Ground) -> Result<()> {
    let Some(samples) = &ground.samples else { return Ok(()) };
    let mut logs = Vec::new();
    for entry in std::fs::read_dir(samples.join("zeek-json"))? {
        logs.push(entry?.path());
    }
    logs.sort();
    script(ground, "accept_kill.py", &logs)
}

/// Twenty simulated months of a Snowflake account; a twentieth of the pulls is killed.
fn snowflake_pull(ground: &Ground) -> Result<()> {
    let program = crate::bench::snowflake_pull::program()?;
    run(Command::new(program).arg(&ground.binary).args(["20", "30", "5000", "120", "0.05", "0.005"]))
}

fn script(ground: &Ground, name: &str, arguments: &[PathBuf]) -> Result<()> {
    run(Command::new(&ground.python).arg(format!("xtask/python/{name}")).arg(&ground.binary).args(arguments))
}
