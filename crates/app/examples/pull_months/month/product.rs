//! The built binary, run as people run it: each pull a process of its own, which may be killed, and whose memory is looked at.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// How often a running pull's memory is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// One data directory with its configuration.
pub(crate) struct Product {
    binary: PathBuf,
    data: PathBuf,
    config: PathBuf,
    /// The most memory that a pull ever had, in bytes.
    pub(crate) peak: u64,
}

/// What a pull came to.
pub(crate) struct Pull {
    pub(crate) output: Output,
    pub(crate) took: Duration,
    pub(crate) killed: bool,
}

impl Product {
    pub(crate) fn new(binary: &Path, folder: &Path) -> Self {
        Self { binary: binary.to_owned(), data: folder.join("data"), config: folder.join("uncia.toml"), peak: 0 }
    }

    /// Configures it.
    pub(crate) fn configure(&self, text: &str) -> Result<()> {
        std::fs::write(&self.config, text).with_context(|| format!("cannot write {}", self.config.display()))
    }

    /// Runs a pull; killed after the given time.
    pub(crate) async fn pull(&mut self, kill: Option<Duration>) -> Result<Pull> {
        let began = Instant::now();
        let child = self.command(&["snowflake", "pull", "--json"]).spawn().context("cannot start the binary")?;
        let id = child.id();
        let mut waiting = tokio::task::spawn_blocking(move || child.wait_with_output());
        let mut left = kill;
        let mut killed = false;
        let output = loop {
            let wait = left.map_or(LOOK, |left| left.saturating_sub(began.elapsed()).min(LOOK));
            tokio::select! {
                output = &mut waiting => break output??,
                () = tokio::time::sleep(wait) => {}
            }
            self.peak = self.peak.max(peak_memory(&id.to_string()));
            // It may have ended by itself; its id is not given to another process before it was waited for.
            if left.is_some_and(|left| began.elapsed() >= left) && !waiting.is_finished() {
                (left, killed) = (None, true);
                let status = Command::new("kill").args(["-9", &id.to_string()]).stderr(Stdio::null()).status();
                status.context("cannot run kill")?;
            }
        };
        Ok(Pull { output, took: began.elapsed(), killed })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.env_remove("UNCIA_CONFIG").env_remove("UNCIA_DATA_DIR");
        command.arg("--data-dir").arg(&self.data).arg("--config").arg(&self.config).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Asks the lake; each row is handed over as it comes.
    pub(crate) fn query(&self, sql: &str, mut row: impl FnMut(&str) -> Result<()>) -> Result<()> {
        let mut command = self.command(&["query", "--format", "ndjson", sql]);
        let mut child = command.stderr(Stdio::inherit()).spawn().context("cannot start the binary")?;
        let lines = BufReader::new(child.stdout.take().context("its output is not there")?).lines();
        for line in lines {
            row(&line?)?;
        }
        if !child.wait()?.success() {
            bail!("this query failed: {sql}");
        }
        Ok(())
    }

    /// The one number that a query answers.
    pub(crate) fn number(&self, sql: &str) -> Result<u64> {
        let mut number = None;
        self.query(sql, |line| {
            let row: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line)?;
            number = row.values().next().and_then(serde_json::Value::as_u64);
            Ok(())
        })?;
        number.with_context(|| format!("no number: {sql}"))
    }

    /// Bytes of everything that it keeps.
    pub(crate) fn bytes(&self) -> u64 {
        bytes_in(&self.data)
    }
}

/// The most memory that a process has had, in bytes; 0 if it is gone.
pub(crate) fn peak_memory(process: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1_024
}

fn bytes_in(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes_in(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
