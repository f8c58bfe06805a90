//! `./x bench process`: gzip NDJSON to events, beside `serde_json` parsing and writing the same bytes; one thread.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use serde::Deserialize;

use super::{Figure, Findings, ROUNDS, answers, folder, machine, script};
use crate::build::{Profile, target_directory};
use crate::run::{cargo, run};

/// The corpora and the log types that a source of them would be configured with.
const CORPORA: [(&str, &str); 3] =
    [("cloudtrail", "AWS.CloudTrail"), ("zeek", "Zeek.DNS,Zeek.Ssl"), ("okta", "Okta.SystemLog")];
const PEER: &str = "serde_json parse and write";
const PEER_MANIFEST: &str = "bench/peer-serde/Cargo.toml";

/// What either side prints of a corpus.
#[derive(Deserialize)]
struct Measured {
    name: String,
    bytes: u64,
    events: u64,
    cpu_seconds: f64,
    /// Ours: the walk cut short after each stage.
    #[serde(default)]
    steps: Vec<(String, f64)>,
    #[serde(default)]
    classified_cpu_seconds: f64,
}

impl Measured {
    fn megabytes_per_second(&self, cpu_seconds: f64) -> f64 {
        self.bytes as f64 / 1e6 / cpu_seconds
    }
}

pub(super) fn bench(samples: &Path) -> Result<Option<Findings>> {
    run(&mut cargo(["build", "--release", "--locked", "-p", "uncia-processing", "--example", "bench_process"]))?;
    let peer_target = target_directory().join("bench/peer");
    run(cargo(["build", "--release", "--locked", "--manifest-path", PEER_MANIFEST, "--target-dir"]).arg(&peer_target))?;
    let data = folder("process")?;
    run(script("bench_data.py").arg("process").arg(samples).arg(&data))?;
    let corpora: Vec<String> = CORPORA
        .iter()
        .map(|(name, log_types)| format!("{name}={}:{log_types}", data.join(format!("{name}.ndjson.gz")).display()))
        .collect();

    let ours = Profile::Release.directory().join("examples/bench_process");
    let peer = peer_target.join("release/peer-serde");
    let (mut our_best, mut peer_best) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        keep_best(&mut our_best, answers(Command::new(&ours).args(&corpora))?);
        keep_best(&mut peer_best, answers(Command::new(&peer).args(&corpora))?);
    }
    let pairs = our_best.iter().zip(&peer_best);
    let figures = pairs.flat_map(|(ours, theirs)| figures(ours, theirs)).collect();
    let versions = machine::locked("bench/peer-serde/Cargo.lock", &["serde_json", "flate2", "zlib-rs"]);
    Ok(Some(Findings { figures, versions }))
}

/// The cheaper of two rounds, figure by figure.
fn keep_best(best: &mut Vec<Measured>, round: Vec<Measured>) {
    if best.is_empty() {
        *best = round;
        return;
    }
    for (best, new) in best.iter_mut().zip(round) {
        best.cpu_seconds = best.cpu_seconds.min(new.cpu_seconds);
        best.classified_cpu_seconds = best.classified_cpu_seconds.min(new.classified_cpu_seconds);
        for (best, (_, seconds)) in best.steps.iter_mut().zip(new.steps) {
            best.1 = best.1.min(seconds);
        }
    }
}

fn figures(ours: &Measured, theirs: &Measured) -> Vec<Figure> {
    let name = &ours.name;
    let peer_rate = theirs.megabytes_per_second(theirs.cpu_seconds);
    let rate = |seconds| ours.megabytes_per_second(seconds);
    let events_rate = |side: &Measured| side.events as f64 / side.cpu_seconds / 1e3;
    let mut figures = vec![
        Figure::beside(name, "MB/s", rate(ours.cpu_seconds), PEER, peer_rate),
        Figure::beside(format!("{name}, events"), "k events/s", events_rate(ours), PEER, events_rate(theirs)),
        Figure::beside(
            format!("{name}, log type found among all"),
            "MB/s",
            rate(ours.classified_cpu_seconds),
            PEER,
            peer_rate,
        ),
    ];
    let mut before = 0.0;
    for (step, seconds) in &ours.steps {
        // A step's seconds contain those of all before it.
        let cost = (seconds - before) / ours.bytes as f64 * 1e9 * 1e3;
        figures.push(Figure::alone(format!("{name}: {step}"), "CPU ms/GB", cost));
        before = *seconds;
    }
    figures
}
