//! The product as it runs: the binary `uncia`, and beside it `lib/uncia/` with the extension that its rule workers import.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::run::{cargo, run};

/// Cargo's profile; decides the directory too.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Dev,
    Release,
}

impl Profile {
    pub(crate) fn from_release(release: bool) -> Self {
        if release { Self::Release } else { Self::Dev }
    }

    pub(crate) fn directory(self) -> PathBuf {
        target_directory().join(match self {
            Self::Dev => "debug",
            Self::Release => "release",
        })
    }
}

pub(crate) fn target_directory() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from)
}

/// Builds both artefacts and lays them side by side; returns the binary's path.
pub(crate) fn build(profile: Profile) -> Result<PathBuf> {
    let mut command = cargo(["build", "--locked", "-p", "uncia-app", "-p", "uncia-pyworker"]);
    if profile == Profile::Release {
        command.arg("--release");
    }
    run(&mut command)?;
    lay_extension(&profile.directory())?;
    Ok(profile.directory().join("uncia"))
}

/// Copies the extension to where the binary looks for it first.
pub(crate) fn lay_extension(directory: &Path) -> Result<()> {
    let library = directory.join("lib/uncia");
    std::fs::create_dir_all(&library)?;
    let built = directory.join("lib_uncia.so");
    let laid = library.join("_uncia.abi3.so");
    // By rename: a running worker may have the old file mapped.
    let fresh = library.join(".fresh");
    std::fs::copy(&built, &fresh).with_context(|| format!("no extension at {}", built.display()))?;
    std::fs::rename(&fresh, &laid)?;
    Ok(())
}

/// Builds the release and runs one of its commands in its place.
pub(crate) fn run_product(verb: &str, arguments: &[String]) -> Result<()> {
    let binary = build(Profile::Release)?;
    run(Command::new(std::path::absolute(binary)?).arg(verb).args(arguments))
}
