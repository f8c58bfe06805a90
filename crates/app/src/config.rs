//! The configuration: one TOML file, overridden by `UNCIA__SECTION__KEY` in the environment.
//!
//! Each crate owns its part; this file only composes them. Unknown keys are errors, so that a typo is never a silent
//! default. Secrets are references (`file:/path`, `env:NAME`) that are resolved where they are used and never printed.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Deserialize;
use uncia_alerting::DestinationConfig;
use uncia_model::Secret;
use uncia_sources::{HttpSourceConfig, SnowflakeSourceConfig, WatchSourceConfig};

use crate::exit::ExitError;

/// Everything that can be configured. All of it has defaults: no file is needed to start.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) batch: Batch,
    pub(crate) schemas: Schemas,
    pub(crate) detections: Detections,
    pub(crate) posture: Posture,
    pub(crate) http: Http,
    pub(crate) sources: Sources,
    pub(crate) secrets: Secrets,
    pub(crate) destinations: Vec<DestinationConfig>,
}

/// When records are committed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Batch {
    /// Decompressed bytes of records after which a batch is committed.
    pub(crate) max_bytes: usize,
    /// Records after which a batch is committed.
    pub(crate) max_records: usize,
    /// While serving: milliseconds after its first record at which a batch is committed at the latest.
    pub(crate) max_wait_ms: u64,
}

impl Default for Batch {
    fn default() -> Self {
        Self { max_bytes: 32 * 1024 * 1024, max_records: 50_000, max_wait_ms: 1_000 }
    }
}

/// Where schemas come from.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Schemas {
    /// Folders of schema files, besides the bundled ones; a file for the same log type replaces the bundled one.
    pub(crate) folders: Vec<PathBuf>,
}

/// Which detections run, and how.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Detections {
    /// Whether the detections that come with Uncia run.
    pub(crate) bundled: bool,
    /// Folders in the layout of panther-analysis. A detection replaces an earlier one with the same id.
    pub(crate) folders: Vec<PathBuf>,
    /// The interpreter [default: python3 on PATH].
    pub(crate) python: Option<PathBuf>,
    /// Directories with packages that detections import.
    pub(crate) python_path: Vec<PathBuf>,
    /// Worker processes [default: one per core].
    pub(crate) workers: Option<usize>,
    /// Seconds after which a detection's run on one event is interrupted.
    pub(crate) soft_limit_seconds: f64,
    /// Seconds after which its process is killed.
    pub(crate) hard_limit_seconds: f64,
    /// Address space of one worker, in MiB.
    pub(crate) memory_mib: u64,
    /// Workers that one detection may end or hold up within ten minutes before it is put aside …
    pub(crate) quarantine_deaths: usize,
    /// … for so many minutes.
    pub(crate) quarantine_minutes: u64,
    /// While serving: how often folders are looked at for edited content, in seconds; 0: only when told by SIGHUP.
    pub(crate) reload_seconds: f64,
    /// Whether workers must (`strict`), shall (`best-effort`) or need not (`off`) be isolated.
    pub(crate) sandbox: uncia_detection::Sandbox,
    /// How far detections are decided without asking Python: off, index, full. All give the same results.
    pub(crate) optimise: uncia_detection::Optimise,
    /// Of the decisions without Python, one in so many is compared with it; 0 for none.
    pub(crate) compare_one_in: u64,
}

impl Default for Detections {
    fn default() -> Self {
        let engine = uncia_detection::EngineConfig::default();
        Self {
            bundled: true,
            folders: Vec::new(),
            python: None,
            python_path: Vec::new(),
            workers: None,
            soft_limit_seconds: engine.soft_limit.as_secs_f64(),
            hard_limit_seconds: engine.hard_limit.as_secs_f64(),
            memory_mib: engine.memory_bytes / (1024 * 1024),
            quarantine_deaths: engine.quarantine_deaths,
            quarantine_minutes: engine.quarantine_time.as_secs() / 60,
            reload_seconds: 1.0,
            sandbox: engine.sandbox,
            optimise: engine.optimise,
            compare_one_in: engine.shadow,
        }
    }
}

/// Which controls judge the state of accounts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Posture {
    /// Whether the controls that come with Uncia are used.
    pub(crate) bundled: bool,
    /// Folders of controls. A control replaces an earlier one with the same id.
    pub(crate) folders: Vec<PathBuf>,
    /// Ids of controls that are not used.
    pub(crate) disabled: Vec<String>,
}

impl Default for Posture {
    fn default() -> Self {
        Self { bundled: true, folders: Vec::new(), disabled: Vec::new() }
    }
}

/// The listener of the HTTP sources.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Http {
    /// Address and port; loopback unless you say otherwise.
    pub(crate) listen: String,
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: "127.0.0.1:8640".to_owned() }
    }
}

/// How secrets that Uncia keeps itself are sealed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Secrets {
    /// The key-encryption key: 32 bytes in base64 or hex, as `file:` or `env:` [default: keys/secrets.key in the data
    /// directory, made on first use].
    pub(crate) key: Option<Secret>,
    /// The key that `uncia secrets rotate-key` replaces it with.
    pub(crate) next_key: Option<Secret>,
}

/// Configured sources.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Sources {
    pub(crate) http: Vec<HttpSourceConfig>,
    pub(crate) watch: Vec<WatchSourceConfig>,
    pub(crate) snowflake: Vec<SnowflakeSourceConfig>,
}

impl Config {
    /// Folders whose files are loaded again when they are edited.
    pub(crate) fn content_folders(&self) -> Vec<PathBuf> {
        self.detections.folders.iter().chain(&self.posture.folders).cloned().collect()
    }

    /// Reads the file, if one is given, and the environment's overrides.
    pub(crate) fn load(file: Option<&Path>, environment: impl Iterator<Item = (String, String)>) -> Result<Self> {
        let (name, text) = match file {
            Some(path) => (
                path.display().to_string(),
                std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?,
            ),
            None => ("the environment".to_owned(), String::new()),
        };
        let mut table: toml::Table =
            text.parse().map_err(|error| ExitError::configuration(format!("{name}: {error}")))?;
        let mut overridden = false;
        for (key, value) in environment {
            let Some(path) = key.strip_prefix("UNCIA__") else { continue };
            overridden = true;
            set(&mut table, path, &value)
                .map_err(|error| ExitError::configuration(format!("environment variable {key}: {error}")))?;
        }
        // Parsed from the text when possible: its errors then show the line.
        let config = if overridden { table.try_into() } else { toml::from_str(&text) };
        config.map_err(|error| ExitError::configuration(format!("{name}: {error}")))
    }
}

/// Sets `SECTION__KEY`; a value is TOML if it parses as such, otherwise a string.
fn set(table: &mut toml::Table, path: &str, value: &str) -> Result<(), String> {
    let mut keys: Vec<String> = path.split("__").map(str::to_lowercase).collect();
    let last = keys.pop().unwrap_or_default();
    let mut at = table;
    for key in keys {
        let inner = at.entry(key.clone()).or_insert_with(|| toml::Table::new().into());
        at = inner.as_table_mut().ok_or_else(|| format!("{key} is not a section"))?;
    }
    let parsed = format!("value = {value}").parse::<toml::Table>().ok().and_then(|mut table| table.remove("value"));
    at.insert(last, parsed.unwrap_or_else(|| toml::Value::String(value.to_owned())));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("uncia.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(Some(&path), environment.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())))
    }

    #[test]
    fn environment_wins_over_the_file() {
        let overrides = [("UNCIA__BATCH__MAX_RECORDS", "7"), ("UNCIA__HTTP__LISTEN", "127.0.0.1:1"), ("PATH", "x")];
        let config = load("[batch]\nmax_records = 3\nmax_wait_ms = 5", &overrides).unwrap();
        assert_eq!((config.batch.max_records, config.batch.max_wait_ms), (7, 5));
        assert_eq!(config.http.listen, "127.0.0.1:1");
    }

    #[test]
    fn a_typo_is_an_error_with_its_line() {
        let error = load("[batch]\nmax_recrods = 3", &[]).unwrap_err();
        assert!(error.to_string().contains("line 2") && error.to_string().contains("max_recrods"), "{error}");
        assert_eq!(crate::exit::code_of(&error), crate::exit::Exit::Configuration);
    }
}
