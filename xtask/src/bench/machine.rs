//! What a figure was measured on, so that it means something later.

use std::process::Command;

use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Machine {
    cpu: String,
    cores: usize,
    memory_gib: f64,
    kernel: String,
    /// Processes that ran or wanted to, over the last minute: above the number of cores the machine was busy.
    load: f64,
    versions: serde_json::Map<String, serde_json::Value>,
}

impl Machine {
    pub(super) fn line(&self) -> String {
        let Self { cpu, cores, memory_gib, kernel, load, .. } = self;
        let busy = if *load > *cores as f64 { " (busy: read the ratios alone)" } else { "" };
        let versions =
            self.versions.iter().map(|(name, version)| format!("{name} {}", version.as_str().unwrap_or("?")));
        let versions: Vec<String> = versions.collect();
        format!(
            "{cores} cores of {cpu}, {memory_gib:.0} GiB, Linux {kernel}, load {load:.1}{busy}\n{}",
            versions.join(", ")
        )
    }
}

pub(super) fn describe(versions: Vec<(String, String)>) -> Machine {
    let own = [("uncia", env!("CARGO_PKG_VERSION").to_owned()), ("rustc", said("rustc", "--version"))];
    let own = own.into_iter().map(|(name, version)| (name.to_owned(), version));
    let memory = line_of("/proc/meminfo", "MemTotal").split(' ').next().and_then(|text| text.parse::<f64>().ok());
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    Machine {
        cpu: line_of("/proc/cpuinfo", "model name"),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory_gib: memory.unwrap_or(0.0) / (1024.0 * 1024.0),
        kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
        load: load.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or(0.0),
        versions: own.chain(versions).map(|(name, version)| (name, version.into())).collect(),
    }
}

fn line_of(file: &str, name: &str) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_once(':').map_or("unknown", |(_, value)| value.trim()).to_owned()
}

/// The version that a program says of itself.
pub(super) fn said(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.split_whitespace().nth(1).unwrap_or("unknown").to_owned()
}

/// The versions that a lock file names of some crates.
pub(super) fn locked(lock: &str, crates: &[&str]) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(lock).unwrap_or_default();
    let version = |name: &&str| {
        let (_, rest) = text.split_once(&format!("name = \"{name}\"\nversion = \""))?;
        Some(((*name).to_owned(), rest.split('"').next()?.to_owned()))
    };
    crates.iter().filter_map(version).collect()
}
