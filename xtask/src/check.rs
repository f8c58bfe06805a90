//! `./x test`: the cheap checks first, so that they fail first.

use std::process::Stdio;

use anyhow::Result;

use crate::build::{Profile, lay_extension};
use crate::run::{cargo, run};
use crate::{python, tidy};

/// Everything CI asks of a change.
pub(crate) fn test(quick: bool, filter: Option<&str>) -> Result<()> {
    run(&mut cargo(["fmt", "--all", "--check"]))?;
    fuzz_targets()?;
    tidy::tidy()?;
    run(&mut cargo(["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    if quick {
        return Ok(());
    }
    let python = python::test_environment()?;
    // All targets at once: a narrower build would resolve other features, and compile DataFusion a second time.
    run(&mut cargo(["build", "--locked", "--workspace", "--all-targets"]))?;
    lay_extension(&Profile::Dev.directory())?;
    let nextest = has_nextest();
    let mut tests = if nextest {
        cargo(["nextest", "run", "--locked", "--workspace", "--profile", "ci"])
    } else {
        eprintln!("x: cargo-nextest is not installed; the tests run with cargo test instead");
        cargo(["test", "--locked", "--workspace"])
    };
    tests
        .env("UNCIA_TEST_PYTHON", &python)
        .env("UNCIA_BINARY", std::path::absolute(Profile::Dev.directory().join("uncia"))?);
    tests.args(filter);
    run(&mut tests)?;
    python::event_tests(&Profile::Dev.directory())
}

/// The fuzz targets are a workspace of their own, which a change of the product's dependencies forgets easily: without its lock
/// file they cannot be built. What they do is `./x accept fuzz`.
fn fuzz_targets() -> Result<()> {
    let manifest = ["--manifest-path", "fuzz/Cargo.toml"];
    run(cargo(["fmt", "--check"]).args(manifest))?;
    run(cargo(["metadata", "--locked", "--quiet", "--format-version", "1"]).args(manifest).stdout(Stdio::null()))
}

fn has_nextest() -> bool {
    cargo(["nextest", "--version"]).output().is_ok_and(|output| output.status.success())
}
