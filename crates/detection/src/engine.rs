//! The engine: events in, matches and errors out, whatever the detections do.
//!
//! A detection that loops, crashes or eats memory costs one error that names it and the event; every other pair of
//! detection and event is judged exactly once. `python` has the machinery; this is its front door.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use uncia_model::{DetectionError, DetectionErrorKind, DetectionId, LogType, limits};

use crate::native::Native;
use crate::python::{
    Chunk, Evaluation, EvaluationStats, EventBatch, Explanation, Found, FunctionError, Job, Judged, KeyValue,
    LaunchConfig, Launcher, Optimise, Pool, PoolConfig, Probe, Program, Quarantine, Sandbox, SandboxLayer, Terms,
    TestCase, TestOutcome, TimeLimits, Ward, extension, interpreter, not_run,
};

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
    /// Workers yield to everything else on the machine.
    pub yields: bool,
    /// Whether workers must, shall or need not run behind walls.
    pub sandbox: Sandbox,
    /// Workers that one detection ended or held up …
    pub quarantine_deaths: usize,
    /// … within this time, after which it is put aside …
    pub quarantine_window: Duration,
    /// … for this time.
    pub quarantine_time: Duration,
    /// What is known of such detections; an engine that follows another one gets its ward.
    pub ward: Ward,
    /// How far detections are decided without asking Python.
    pub optimise: Optimise,
    /// Of the pairs of event and detection that are decided without Python, one in so many is compared with it; 0 for none.
    pub shadow: u64,
    pub probe: Probe,
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
            yields: false,
            sandbox: Sandbox::default(),
            quarantine_deaths: 3,
            quarantine_window: Duration::from_secs(600),
            quarantine_time: Duration::from_secs(3_600),
            ward: Ward::default(),
            optimise: Optimise::default(),
            shadow: 1_000,
            probe: Probe::default(),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("no usable python3 found ({0}); install python3 3.10 or newer, or set detection.python")]
    NoPython(String),
    #[error("the extension module was not found in {0}; build it with `./x build`, or set UNCIA_EXTENSION")]
    NoExtension(String),
    #[error("the extension module is of another build ({found}, wanted {wanted}); build both with `./x build`")]
    StaleExtension { found: String, wanted: String },
    #[error(
        "detection workers cannot be isolated: {0}; ask the system for it, or set sandbox = \"best-effort\" in [detections]"
    )]
    Sandbox(String),
    #[error("cannot start a detection worker: {0}")]
    Start(String),
}

/// The interpreter that runs detections: the configured one, or the first usable one on `PATH`.
pub fn find_python(configured: Option<&std::path::Path>) -> Result<PathBuf, EngineError> {
    interpreter(configured)
}

/// Runs detections in worker processes.
pub struct Engine {
    pool: Pool,
    config: EngineConfig,
    places: HashMap<DetectionId, u32>,
    native: Arc<Native>,
    /// All that was judged since the start.
    totals: Mutex<EvaluationStats>,
}

/// A chunk of events for one worker: at most this many …
const CHUNK_EVENTS: usize = 1_000;
/// … at least this many, where a batch would otherwise be cut into crumbs …
const CHUNK_EVENTS_MIN: usize = 32;
/// … and at most this many bytes.
const CHUNK_BYTES: usize = 2 * 1024 * 1024;

impl Engine {
    /// Starts the workers and loads the program; detections that cannot be loaded do not fail the start.
    pub async fn start(
        program: impl Into<Program>,
        config: EngineConfig,
        cache: Arc<dyn KeyValue>,
    ) -> Result<Self, EngineError> {
        let program = Arc::new(program.into());
        let python = config.python.clone();
        // Asking interpreters for their versions takes a while.
        let python = tokio::task::spawn_blocking(move || interpreter(python.as_deref()))
            .await
            .expect("looking for an interpreter does not panic")?;
        let launcher = Launcher::start(LaunchConfig {
            python,
            extension: extension(config.extension.as_deref())?,
            memory_bytes: config.memory_bytes,
            yields: config.yields,
        });
        let absolute = |path: &PathBuf| std::path::absolute(path).map(|path| path.display().to_string());
        let terms =
            Terms { deaths: config.quarantine_deaths, window: config.quarantine_window, time: config.quarantine_time };
        let pool = PoolConfig {
            program: Arc::clone(&program),
            python_path: config.python_path.iter().filter_map(|path| absolute(path).ok()).collect(),
            limits: TimeLimits { soft: config.soft_limit, hard: config.hard_limit },
            workers: config.workers,
            launcher: launcher.map_err(|error| EngineError::Start(error.to_string()))?,
            cache,
            quarantine: Quarantine::new(terms, config.ward.clone(), &program),
            sandbox: config.sandbox,
            optimise: config.optimise,
            shadow: config.shadow,
            probe: config.probe.clone(),
        };
        let places = (0..).zip(&program.detections).map(|(index, detection)| (detection.id.clone(), index)).collect();
        let native = Arc::new(Native::new(&program));
        Ok(Self { pool: Pool::start(pool).await?, config, places, native, totals: Mutex::default() })
    }

    /// What was loaded.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.pool.shared.program
    }

    /// The detections that cannot run, with what kept them from loading.
    #[must_use]
    pub fn setup_errors(&self) -> Vec<(DetectionId, FunctionError)> {
        let detections = &self.program().detections;
        let broken = self.pool.shared.broken().into_iter();
        broken.filter_map(|(index, broken)| Some((detections.get(index as usize)?.id.clone(), broken.error))).collect()
    }

    /// The globals and data models that cannot be loaded, by their ids, with the reason.
    #[must_use]
    pub fn supporting_errors(&self) -> Vec<(String, FunctionError)> {
        self.pool.shared.supporting_errors().into_iter().collect()
    }

    /// Waits until all workers have loaded the program; the first has when the engine has started.
    pub async fn ready(&self) {
        self.pool.ready().await;
    }

    /// The walls around the workers, as the worker that started last reports them; empty without a sandbox.
    #[must_use]
    pub fn sandbox(&self) -> Vec<SandboxLayer> {
        self.pool.shared.sandbox_layers()
    }

    /// Why workers load the program one by one and are not copied from a process that has; `None` if they are.
    #[must_use]
    pub fn uncopied(&self) -> Option<String> {
        self.pool.shared.uncopied.get().cloned()
    }

    /// The detections put aside because they kept ending their workers.
    #[must_use]
    pub fn quarantined(&self) -> Vec<DetectionId> {
        let detections = &self.program().detections;
        let closed = self.pool.shared.quarantine.closed(Instant::now()).into_iter();
        closed.filter_map(|index| Some(detections.get(index as usize)?.id.clone())).collect()
    }

    /// What the optimiser knows of the enabled rules; only kept when the configuration's probe asks for it.
    #[must_use]
    pub fn explanations(&self) -> Vec<(DetectionId, Explanation)> {
        let detections = &self.program().detections;
        let kept = self.pool.shared.explanations().into_iter();
        kept.filter_map(|(index, kept)| Some((detections.get(index as usize)?.id.clone(), kept))).collect()
    }

    /// Runs the enabled detections of the batch's log type on its events. Never fails.
    pub async fn evaluate(&self, batch: EventBatch) -> Evaluation {
        if batch.events.is_empty() {
            return Evaluation::default();
        }
        let standing = self.standing_errors(&batch.log_type);
        let mut evaluation = self.evaluate_part(batch).await;
        evaluation.errors.splice(0..0, standing);
        evaluation
    }

    /// The same for a part of a batch, without [`Self::standing_errors`].
    pub async fn evaluate_part(&self, batch: EventBatch) -> Evaluation {
        if batch.events.is_empty() {
            return Evaluation::default();
        }
        let native = self.native.judge(&batch).await;
        let mut found = native.found;
        let mut stats = EvaluationStats::default();
        let mut replies = Vec::new();
        if self.program().judges_of(&batch.log_type).next().is_some() {
            replies.extend(self.chunks(batch, &native.rejected).into_iter().map(|chunk| self.submit(chunk)));
        }
        for reply in replies {
            let Ok(judged) = reply.await else { continue };
            found.extend(judged.found);
            stats.add(&judged.stats);
        }
        found.sort_by_key(|(index, found)| match found {
            Found::Match(matched) => (matched.event, *index),
            Found::Error(error) => (error.event, *index),
        });
        self.totals.lock().unwrap_or_else(std::sync::PoisonError::into_inner).add(&stats);
        let mut evaluation = Evaluation { stats, ..Evaluation::default() };
        for (_, found) in found {
            match found {
                Found::Match(matched) => evaluation.matches.push(*matched),
                Found::Error(error) => evaluation.errors.push(error),
            }
        }
        evaluation
    }

    /// Runs one unit test: all functions, mocks in place, with a cache of its own.
    pub async fn run_test(&self, case: TestCase) -> TestOutcome {
        if let Some(simple) = self.native.simple(&case.detection) {
            let outcome = self.native.test(simple, &case.event);
            return outcome.unwrap_or_else(|error| not_run("ValueError", format!("the event is no JSON: {error}")));
        }
        let Some(&index) = self.places.get(&case.detection) else {
            return not_run("LookupError", format!("detection [{}] is not loaded", case.detection));
        };
        let (reply, outcome) = oneshot::channel();
        let event = case.event.clone();
        self.pool.submit(Job::Test { index, mocks: case.mocks, event: case.event, reply });
        let outcome = outcome.await;
        let outcome =
            outcome.unwrap_or_else(|_| not_run("WorkerUnavailable", "the engine is shutting down".to_owned()));
        match self.program().detections.get(index as usize).map(|detection| &detection.filters) {
            Some(filters) if !filters.is_empty() => self.native.filtered(filters, &event, outcome),
            _ => outcome,
        }
    }

    /// What has been judged since the start.
    #[must_use]
    pub fn totals(&self) -> EvaluationStats {
        *self.totals.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Ends the workers.
    pub async fn shutdown(self) {
        let totals = self.totals();
        if totals.pairs > 0 {
            tracing::info!("{totals}");
        }
        self.pool.shutdown().await;
    }

    fn submit(&self, chunk: Chunk) -> oneshot::Receiver<Judged> {
        let (reply, judged) = oneshot::channel();
        self.pool.submit(Job::Chunk(chunk, reply));
        judged
    }

    /// Errors that hold for every event: said once a batch, of its first event; of a detection that is put aside once in
    /// all that time.
    #[must_use]
    pub fn standing_errors(&self, log_type: &LogType) -> Vec<DetectionError> {
        let shared = &self.pool.shared;
        let (broken, closed) = (shared.broken(), shared.quarantine.closed(Instant::now()));
        let error = |index: u32| {
            let (kind, exception, message) = if let Some(broken) = broken.get(&index) {
                let FunctionError { exception, message, place } = broken.error.clone();
                (broken.kind, exception, if place.is_empty() { message } else { format!("{message}: {place}") })
            } else if closed.binary_search(&index).is_ok() && shared.quarantine.tell(index) {
                let minutes = shared.quarantine.terms().time.as_secs().div_ceil(60);
                let message = format!(
                    "put aside for {minutes} minutes: it kept ending or holding up its worker; a changed one runs at once"
                );
                (DetectionErrorKind::Crash, "DetectionQuarantined".to_owned(), message)
            } else {
                return None;
            };
            let detection = shared.program.detections.get(index as usize)?.id.clone();
            Some(DetectionError { event: 0, detection, kind, exception, message })
        };
        shared.program.judges_of(log_type).filter_map(error).collect()
    }

    /// Cuts a batch so that every worker gets some of it.
    fn chunks(&self, batch: EventBatch, rejected: &[(u32, u32)]) -> Vec<Chunk> {
        let share = batch.events.len().div_ceil(self.config.workers.max(1)).clamp(CHUNK_EVENTS_MIN, CHUNK_EVENTS);
        let mut chunks: Vec<Chunk> = Vec::new();
        let mut bytes = 0;
        for (place, event) in batch.events.into_iter().enumerate() {
            bytes += event.len();
            match chunks.last_mut() {
                Some(chunk) if chunk.events.len() < share && bytes <= CHUNK_BYTES => chunk.events.push(event),
                _ => {
                    bytes = event.len();
                    let (log_type, rejected) = (batch.log_type.clone(), Vec::new());
                    chunks.push(Chunk { log_type, events: vec![event], offset: place, rejected });
                }
            }
        }
        for chunk in &mut chunks {
            let from = chunk.offset as u32;
            let within = rejected.iter().filter_map(|&(event, detection)| Some((event.checked_sub(from)?, detection)));
            chunk.rejected = within.filter(|(event, _)| (*event as usize) < chunk.events.len()).collect();
        }
        chunks
    }
}
