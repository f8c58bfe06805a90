//! House rules that a compiler does not know: the layers, the headers, the names of no machine.
//!
//! The layers are those of docs/architecture.md. To change them on purpose, change [`LAYERS`] and that page together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::run::cargo;

/// A crate uses crates of lower layers only, never a neighbour.
const LAYERS: &[&[&str]] = &[
    &["uncia-document"],
    &["uncia-model"],
    &["uncia-processing", "uncia-ruleir", "uncia-lake", "uncia-store", "uncia-wal", "uncia-snowflake"],
    &["uncia-sources", "uncia-enrichment", "uncia-detection", "uncia-alerting", "uncia-lake-iceberg"],
    &["uncia-pipeline"],
    &["uncia-app"],
];

/// Beside the layers: what each may use, and that nothing uses it (but as a development dependency).
const BESIDE: &[(&str, &[&str])] = &[
    ("uncia-pyworker", &["uncia-document", "uncia-ruleir"]),
    ("uncia-snowflake-double", &["uncia-model"]),
    ("xtask", &[]),
];

/// Who may use what stands beside, and what it may name of the fenced crates: the demo plays on the double, whose SQL is
/// DataFusion's.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("uncia-app", "uncia-snowflake-double"),
    ("uncia-snowflake-double", "arrow"),
    ("uncia-snowflake-double", "datafusion"),
];

/// What only one crate may name.
const FENCED: &[(&str, &[&str])] = &[
    ("uncia-lake-iceberg", &["arrow", "datafusion", "iceberg", "object_store", "parquet"]),
    ("uncia-pyworker", &["pyo3"]),
    ("uncia-store", &["sqlx"]),
];

/// Two versions of one of these double the heaviest part of the build, or give two answers to one question.
const ONE_VERSION: &[&str] =
    &["arrow", "parquet", "datafusion", "object_store", "sqlx", "reqwest", "rustls", "iceberg", "pyo3"];

/// What `deny.toml` bans, checked here too, since not everybody has cargo-deny.
const BANNED: &[&str] = &["openssl-sys", "rusqlite", "iceberg-datafusion", "iceberg-catalog-sql"];

/// Files longer than this need a seam.
const MAX_LINES: usize = 800;

pub(crate) fn tidy() -> Result<()> {
    let mut faults = layers()?;
    faults.extend(locked_crates(&std::fs::read_to_string("Cargo.lock")?));
    for file in tracked_files()? {
        faults.extend(file_faults(&file)?);
    }
    if faults.is_empty() {
        return Ok(());
    }
    bail!("house rules:\n  {}", faults.join("\n  "))
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

fn layers() -> Result<Vec<String>> {
    let output = cargo(["metadata", "--locked", "--no-deps", "--format-version", "1"]).output()?;
    let metadata: Metadata = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)))?;
    let layer_of: BTreeMap<&str, usize> =
        LAYERS.iter().enumerate().flat_map(|(n, names)| names.iter().map(move |&name| (name, n))).collect();
    let mut faults = Vec::new();
    for package in &metadata.packages {
        let beside = BESIDE.iter().find(|(name, _)| *name == package.name);
        let layer = layer_of.get(package.name.as_str());
        if layer.is_none() && beside.is_none() {
            faults.push(format!(
                "crate {} has no layer: add it to LAYERS in xtask/src/tidy.rs and to docs/architecture.md",
                package.name
            ));
        }
        for dependency in package.dependencies.iter().filter(|d| d.kind.is_none()) {
            let used = dependency.name.as_str();
            if EXCEPTIONS.contains(&(&*package.name, used)) {
                continue;
            }
            let allowed = match (layer, layer_of.get(used), beside) {
                (Some(mine), Some(theirs), _) => theirs < mine,
                (None, Some(_), Some((_, may))) => may.contains(&used),
                _ => !BESIDE.iter().any(|(name, _)| *name == used),
            };
            if !allowed {
                faults.push(format!(
                    "{} uses {used}, which is no lower layer: pass it in as a trait, or change LAYERS in xtask/src/tidy.rs and docs/architecture.md together",
                    package.name
                ));
            }
            for (owner, fenced) in FENCED {
                if fenced.contains(&used) && *owner != package.name {
                    faults.push(format!("{} names {used}, which belongs to {owner} alone", package.name));
                }
            }
        }
    }
    Ok(faults)
}

/// What the lock file holds twice, or should not hold at all.
fn locked_crates(lock: &str) -> Vec<String> {
    let names: Vec<&str> =
        lock.lines().filter_map(|line| line.strip_prefix("name = \"")).map(|name| name.trim_end_matches('"')).collect();
    let count = |wanted: &str| names.iter().filter(|name| **name == wanted).count();
    let twice = ONE_VERSION.iter().filter(|name| count(name) > 1);
    let mut faults: Vec<String> =
        twice.map(|name| format!("Cargo.lock has {} versions of {name}; one is the rule", count(name))).collect();
    let banned = BANNED.iter().filter(|name| count(name) > 0);
    faults.extend(banned.map(|name| format!("Cargo.lock has {name}, which deny.toml bans")));
    let provided = lock.split("[[package]]").filter(|package| package.contains("\n \"aws-lc-rs\""));
    let names = provided.filter_map(|package| package.split('"').nth(1)).filter(|name| !name.starts_with("uncia-"));
    faults.extend(names.map(|name| format!("{name} uses aws-lc-rs, but the one rustls provider is ring (deny.toml)")));
    faults
}

fn tracked_files() -> Result<Vec<PathBuf>> {
    let output = std::process::Command::new("git").args(["ls-files", "-z"]).output().context("git ls-files")?;
    let names = String::from_utf8(output.stdout)?;
    Ok(names.split_terminator('\0').map(PathBuf::from).filter(|path| path.is_file()).collect())
}

fn file_faults(path: &Path) -> Result<Vec<String>> {
    let Ok(text) = std::fs::read_to_string(path) else { return Ok(Vec::new()) };
    let shown = path.display();
    let mut faults = Vec::new();
    let lines = text.lines().count();
    let is_code =
        path.extension().is_some_and(|extension| ["rs", "py", "ts", "tsx"].iter().any(|code| extension == *code));
    if is_code && lines > MAX_LINES {
        faults.push(format!("{shown}: {lines} lines; find the seam (limit {MAX_LINES})"));
    }
    if path.extension().is_some_and(|extension| extension == "rs") && !text.starts_with("//!") {
        faults.push(format!("{shown}: no //! header that says what the file is for"));
    }
    if path.extension().is_some_and(|extension| extension == "md") {
        faults.extend(broken_links(path, &text));
    }
    Ok(faults)
}

/// Relative links of a page that lead nowhere.
fn broken_links(path: &Path, text: &str) -> Vec<String> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets
        .map(|target| target.split('#').next().unwrap_or_default())
        .filter(|target| !target.is_empty() && !target.contains("://") && !target.contains(char::is_whitespace))
        .filter(|target| !folder.join(target).try_exists().unwrap_or(false))
        .map(|target| format!("{}: the link to {target} leads nowhere", path.display()))
        .collect()
}
