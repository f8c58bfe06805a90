//! `uncia detections setup`: the packages that detections may import, in an environment of their own under the data
//! directory. Nothing of the system's Python is changed, and with wheels in a folder nothing is fetched.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result};
use tokio::process::Command;

use crate::config::Config;
use crate::exit::{Exit, ExitError};

/// What the public detections import beyond the standard library.
const PACKAGES: &[&str] = &["policyuniverse", "python-dateutil", "pycountry", "jsonpath-ng", "jmespath", "requests"];
/// The environment's folder in the data directory.
const FOLDER: &str = "python";

pub(crate) async fn setup(config: &Config, root: &Path, wheels: Option<&Path>, packages: &[String]) -> Result<Exit> {
    let python = uncia_detection::find_python(config.detections.python.as_deref())
        .map_err(|error| ExitError::configuration(error.to_string()))?;
    let wanted = wanted(wheels, packages)?;
    std::fs::create_dir_all(root).with_context(|| format!("cannot make the data directory {}", root.display()))?;
    let environment = root.join(FOLDER);
    let made = run(Command::new(&python).args(["-m", "venv", "--clear"]).arg(&environment)).await;
    made.context("cannot make the environment; on Debian and Ubuntu it needs the package python3-venv")?;
    let mut pip = Command::new(environment.join("bin/python"));
    pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--quiet"]);
    if let Some(wheels) = wheels {
        pip.arg("--no-index").arg("--find-links").arg(wheels);
    }
    run(pip.args(&wanted)).await.context("the packages could not be installed")?;
    let Some(folder) = packages_of(root) else {
        anyhow::bail!("the environment {} has no site-packages", environment.display());
    };
    eprintln!("detections import from {}", folder.display());
    Ok(Exit::Ok)
}

/// The folder that `setup` has filled, if it has.
pub(crate) fn packages_of(root: &Path) -> Option<PathBuf> {
    let versions = std::fs::read_dir(root.join(FOLDER).join("lib")).ok()?;
    let folders = versions.filter_map(|entry| Some(entry.ok()?.path().join("site-packages")));
    folders.filter(|folder| folder.is_dir()).max()
}

/// The packages asked for, else every wheel of the folder, else what the public detections import.
fn wanted(wheels: Option<&Path>, packages: &[String]) -> Result<Vec<String>> {
    if !packages.is_empty() {
        return Ok(packages.to_vec());
    }
    let Some(folder) = wheels else { return Ok(PACKAGES.iter().map(|&package| package.to_owned()).collect()) };
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_wheel = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "whl");
    let mut found: Vec<String> = paths.filter(is_wheel).map(|path| path.display().to_string()).collect();
    found.sort();
    if found.is_empty() {
        return Err(ExitError::usage(format!("there are no wheels (*.whl) in {}", folder.display())));
    }
    Ok(found)
}

async fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().await.context("cannot start python3")?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    anyhow::bail!("{}", said.trim().lines().last().unwrap_or("it failed without a word"))
}
