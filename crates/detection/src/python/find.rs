//! Finding what a worker is made of: an interpreter and our extension.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::EngineError;

/// Prints what decides whether an interpreter will do; the path resolves version managers' wrapper scripts.
const PROBE: &str = "import sys,json,signal,re\nprint(*sys.version_info[:2],sys.implementation.name,sys.executable)";
const OLDEST: (u32, u32) = (3, 10);
const NAMES: [&str; 6] = ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10"];

/// The interpreter's own path.
pub(crate) fn interpreter(configured: Option<&Path>) -> Result<PathBuf, EngineError> {
    let candidates: Vec<&OsStr> = match configured {
        Some(path) => vec![path.as_os_str()],
        None => NAMES.iter().map(OsStr::new).collect(),
    };
    let mut reasons = Vec::new();
    for candidate in candidates {
        match probe(candidate) {
            Ok(path) => return Ok(path),
            Err(reason) => reasons.push(format!("{}: {reason}", candidate.to_string_lossy())),
        }
    }
    Err(EngineError::NoPython(reasons.join("; ")))
}

fn probe(candidate: &OsStr) -> Result<PathBuf, String> {
    let output = Command::new(candidate)
        .args(["-I", "-S", "-c", PROBE])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout);
    let mut words = said.trim().splitn(4, ' ');
    let (Some(major), Some(minor), Some(name), Some(path)) = (words.next(), words.next(), words.next(), words.next())
    else {
        let complaint = String::from_utf8_lossy(&output.stderr);
        return Err(complaint.lines().last().unwrap_or("does not answer").to_owned());
    };
    let version = (major.parse().unwrap_or(0), minor.parse().unwrap_or(0));
    if version < OLDEST {
        return Err(format!("version {major}.{minor} is too old"));
    }
    if name != "cpython" {
        return Err(format!("{name} is not supported"));
    }
    Ok(PathBuf::from(path))
}

/// The extension module: as configured, else where builds and installations put it.
pub(crate) fn extension(configured: Option<&Path>) -> Result<PathBuf, EngineError> {
    let named = configured.map(Path::to_owned).or_else(|| std::env::var_os("UNCIA_EXTENSION").map(PathBuf::from));
    let candidates = match named {
        Some(path) => vec![path],
        None => beside(std::env::current_exe().ok().as_deref().and_then(Path::parent).unwrap_or(Path::new("."))),
    };
    match candidates.iter().find(|path| path.is_file()) {
        Some(path) => std::path::absolute(path).map_err(|error| EngineError::Start(error.to_string())),
        None => {
            let places: Vec<_> = candidates.iter().map(|path| path.display().to_string()).collect();
            Err(EngineError::NoExtension(places.join(", ")))
        }
    }
}

/// An installation has it in `lib/uncia`, beside or above the binary; Cargo leaves it beside, or above its tests.
fn beside(directory: &Path) -> Vec<PathBuf> {
    ["lib/uncia/_uncia.abi3.so", "../lib/uncia/_uncia.abi3.so", "lib_uncia.so", "../lib_uncia.so"]
        .map(|place| directory.join(place))
        .to_vec()
}
