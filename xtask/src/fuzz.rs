//! `./x accept fuzz`: every target for a while, on the stable compiler.
//!
//! The coverage that libFuzzer needs is a pass of LLVM, which stable rustc runs when told to by name; only the sanitizers
//! need nightly. Dependencies are instrumented too, the host's build scripts are not, as a target is named.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::run::{cargo, run};

const TRIPLE: &str = "x86_64-unknown-linux-gnu";
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing";
/// A planted bug is looked for in short runs, each from the seeds: a corpus that has grown buries those that come near.
const PLANTED_SECONDS: u32 = 5;
const PLANTED_RUNS: usize = 36;

/// How one run of a target ended.
struct Ended {
    executions: String,
    edges: String,
    crashed: bool,
    /// The panic's message, or whatever libFuzzer said last.
    said: String,
}

pub(crate) fn fuzz() -> Result<()> {
    let seconds: u32 = match std::env::var("UNCIA_FUZZ_SECONDS") {
        Ok(text) => text.parse().context("UNCIA_FUZZ_SECONDS is a number of seconds")?,
        Err(_) => 60,
    };
    let only = std::env::var("UNCIA_FUZZ_ONLY").unwrap_or_default();
    let program = build()?;
    let listed = Command::new(&program).env("UNCIA_FUZZ_LIST", "1").output().context("cannot start the targets")?;
    let names = String::from_utf8(listed.stdout).context("target names are text")?;
    let names: Vec<&str> = names.lines().filter(|name| name.contains(&only)).collect();
    println!("{:<18} {:>8} {:>12} {:>7}   planted bug", "target", "seconds", "executions", "edges");
    let mut failed = Vec::new();
    for name in names {
        let planted = planted(&program, name)?;
        let plain = one(&program, name, seconds, false)?;
        let verdict = match &planted {
            Ok(executions) => format!("found after {executions} executions"),
            Err(_) => "NOT FOUND".to_owned(),
        };
        println!("{name:<18} {seconds:>8} {:>12} {:>7}   {verdict}", plain.executions, plain.edges);
        if let Err(said) = planted {
            failed.push(format!("{name}: the planted bug was not found: {said}"));
        }
        if plain.crashed {
            failed.push(format!("{name}: {}", plain.said));
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("{}", failed.join("\n")) }
}

/// How many executions it took to find the planted bug, or what the last run said instead.
fn planted(program: &Path, target: &str) -> Result<Result<u64, String>> {
    let mut executions = 0;
    let mut said = String::new();
    for _ in 0..PLANTED_RUNS {
        let ended = one(program, target, PLANTED_SECONDS, true)?;
        executions += ended.executions.parse::<u64>().unwrap_or(0);
        if ended.crashed && ended.said.contains("the planted bug") {
            return Ok(Ok(executions));
        }
        said = ended.said;
        if ended.crashed {
            break;
        }
    }
    Ok(Err(said))
}

fn build() -> Result<PathBuf> {
    let mut command =
        cargo(["build", "--release", "--locked", "--manifest-path", "fuzz/Cargo.toml", "--target", TRIPLE]);
    run(command.env("RUSTFLAGS", FLAGS).env_remove("CARGO_TARGET_DIR"))?;
    std::path::absolute(Path::new("fuzz/target").join(TRIPLE).join("release/fuzz")).context("the targets' program")
}

fn one(program: &Path, target: &str, seconds: u32, planted: bool) -> Result<Ended> {
    let base = Path::new("fuzz");
    // A planted run begins at the seeds each time; what it learns is thrown away.
    let scratch = tempfile_dir(target, planted)?;
    let corpus = if planted { scratch.clone() } else { base.join("corpus").join(target) };
    let artifacts = if planted { scratch.join("found") } else { base.join("artifacts").join(target) };
    std::fs::create_dir_all(&corpus)?;
    std::fs::create_dir_all(&artifacts)?;
    let seeds = scratch.join("seeds");
    let mut command = Command::new(program);
    command.env("UNCIA_FUZZ_TARGET", target).env("UNCIA_FUZZ_SEEDS", &seeds);
    if !command.status().context("cannot write seeds")?.success() {
        bail!("{target}: seeds cannot be written");
    }
    let mut command = Command::new(program);
    command
        .env("UNCIA_FUZZ_TARGET", target)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .args(["-max_len=4096", "-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=1"])
        .args([&corpus, &seeds]);
    if planted {
        command.env("UNCIA_FUZZ_PLANTED", "1").args(["-keep_seed=1", "-reduce_inputs=0", "-len_control=0"]);
    } else {
        command.arg("-use_value_profile=1");
    }
    let output = command.output().context("cannot start a target")?;
    let text = String::from_utf8_lossy(&output.stderr);
    std::fs::remove_dir_all(&scratch).ok();
    let after = |name: &str| {
        text.lines().filter_map(|line| line.split_once(name)).next_back().map(|(_, rest)| rest.trim().to_owned())
    };
    let word = |name: &str| after(name).and_then(|rest| rest.split_whitespace().next().map(str::to_owned));
    let said = text.lines().skip_while(|line| !line.contains("panicked at")).take(2).collect::<Vec<_>>().join(" ");
    let said = if said.is_empty() { text.lines().rev().take(3).collect::<Vec<_>>().join(" / ") } else { said };
    // A crash ends before libFuzzer says its final statistics, so the last line of progress counts.
    let progress =
        text.lines().rev().find_map(|line| line.strip_prefix('#')?.split_whitespace().next().map(str::to_owned));
    Ok(Ended {
        executions: word("stat::number_of_executed_units:").or(progress).unwrap_or_else(|| "?".to_owned()),
        edges: word("cov:").unwrap_or_else(|| "?".to_owned()),
        crashed: !output.status.success(),
        said,
    })
}

fn tempfile_dir(target: &str, planted: bool) -> Result<PathBuf> {
    let kind = if planted { "planted" } else { "plain" };
    let folder = Path::new("fuzz/target/scratch").join(format!("{target}-{kind}"));
    std::fs::remove_dir_all(&folder).ok();
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
