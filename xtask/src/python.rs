//! The Python side of the tests: outside readers of our tables (PyIceberg, DuckDB) in an environment of their own, and the
//! event classes, which only run inside an interpreter.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::build::target_directory;
use crate::run::run;

/// What the tests use of Python, pinned.
const REQUIREMENTS: &str = "xtask/python/requirements-test.txt";

/// The interpreter of the test environment, made anew when its requirements change.
pub(crate) fn test_environment() -> Result<PathBuf> {
    environment("test", REQUIREMENTS)
}

/// A virtual environment under the target directory holding exactly what a requirements file says.
pub(crate) fn environment(name: &str, requirements: &str) -> Result<PathBuf> {
    let home = std::path::absolute(target_directory().join("python").join(name))?;
    let python = home.join("bin/python");
    let stamp = home.join("requirements.txt");
    let wanted = std::fs::read_to_string(requirements)?;
    if std::fs::read_to_string(&stamp).is_ok_and(|has| has == wanted) {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home))?;
    run(Command::new(&python).args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
        requirements,
    ]))?;
    std::fs::write(stamp, wanted)?;
    Ok(python)
}

/// Where an environment keeps its packages, for rule workers to import from.
pub(crate) fn site_packages(python: &Path) -> Result<PathBuf> {
    let ask = "import sysconfig; print(sysconfig.get_path('purelib'))";
    let output = Command::new(python).args(["-c", ask]).output()?;
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}

/// The unit tests of the native event classes, in the system's python3.
pub(crate) fn event_tests(directory: &Path) -> Result<()> {
    let library = std::path::absolute(directory.join("lib/uncia"))?;
    run(Command::new("python3")
        .args(["-m", "unittest", "discover", "-s", "crates/pyworker/tests"])
        .env("PYTHONPATH", library))
}
