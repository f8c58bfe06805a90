//! The workers of an engine: each is a task that owns one process at a time, takes jobs from the common queue, and
//! replaces its process when that dies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, Semaphore, mpsc, oneshot};
use uncia_model::DetectionErrorKind;

use super::cache::{CacheRequest, KeyValue, MemoryCache};
use super::chunk::{Chunk, Judged};
use super::launch::Launcher;
use super::optimise::{Explanation, Optimise, Probe};
use super::outcome::{FunctionError, Mock, TestOutcome};
use super::program::Program;
use super::protocol::{kind, write_bytes};
use super::quarantine::Quarantine;
use super::runtime;
use super::sandbox::{LayerState, Sandbox, SandboxLayer};
use super::start::start_worker;
use super::worker::{Death, TimeLimits, Worker};
use super::zygote::Zygote;
use crate::EngineError;

/// What the tasks share.
pub(crate) struct Shared {
    pub(crate) program: Arc<Program>,
    pub(super) program_json: Vec<u8>,
    pub(super) runtime_frame: Vec<u8>,
    pub(super) python_path: Vec<String>,
    pub(crate) limits: TimeLimits,
    pub(super) launcher: Launcher,
    pub(super) sandbox: Sandbox,
    /// What workers are copied from, as long as it works.
    pub(super) zygote: AsyncMutex<Option<Zygote>>,
    /// Why workers cannot be copied, and load the program one by one.
    pub(crate) uncopied: OnceLock<String>,
    /// As the worker that started last reports it.
    layers: Mutex<Vec<SandboxLayer>>,
    pub(crate) cache: Arc<dyn KeyValue>,
    pub(crate) quarantine: Quarantine,
    pub(super) optimise: Optimise,
    pub(super) shadow: u64,
    pub(super) probe: Probe,
    explanations: Mutex<BTreeMap<u32, Explanation>>,
    /// Detections that only Python may judge, since a decision without it was wrong.
    distrusted: Mutex<BTreeSet<u32>>,
    /// Why detections cannot run, by their places.
    broken: Mutex<BTreeMap<u32, Broken>>,
    /// Why globals and data models cannot be loaded, by their ids.
    supporting: Mutex<BTreeMap<String, FunctionError>>,
    batches: AtomicU64,
    /// One permit for each worker that has started, or could not.
    ready: Semaphore,
}

/// Why a detection cannot be loaded.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    pub(crate) kind: DetectionErrorKind,
    pub(crate) error: FunctionError,
    /// Loading it ended a worker: it is not tried again.
    pub(super) fatal: bool,
}

pub(crate) enum Job {
    Chunk(Chunk, oneshot::Sender<Judged>),
    Test { index: u32, mocks: Vec<Mock>, event: bytes::Bytes, reply: oneshot::Sender<TestOutcome> },
}

pub(crate) struct PoolConfig {
    pub(crate) program: Arc<Program>,
    pub(crate) python_path: Vec<String>,
    pub(crate) limits: TimeLimits,
    pub(crate) workers: usize,
    pub(crate) launcher: Launcher,
    pub(crate) sandbox: Sandbox,
    pub(crate) cache: Arc<dyn KeyValue>,
    pub(crate) quarantine: Quarantine,
    pub(crate) optimise: Optimise,
    pub(crate) shadow: u64,
    pub(crate) probe: Probe,
}

/// The queue and the tasks behind it.
pub(crate) struct Pool {
    pub(crate) shared: Arc<Shared>,
    jobs: mpsc::UnboundedSender<Job>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

/// Tries before a worker that does not start is given up.
const START_TRIES: u32 = 3;

impl Pool {
    /// Starts one worker, to know that workers can start and what they can load, and then the others.
    pub(crate) async fn start(config: PoolConfig) -> Result<Self, EngineError> {
        let program_json =
            serde_json::to_vec(&*config.program).map_err(|error| EngineError::Start(error.to_string()))?;
        let shared = Arc::new(Shared {
            program: config.program,
            program_json,
            runtime_frame: runtime::frame(),
            python_path: config.python_path,
            limits: config.limits,
            launcher: config.launcher,
            sandbox: config.sandbox,
            zygote: AsyncMutex::default(),
            uncopied: OnceLock::new(),
            layers: Mutex::default(),
            cache: config.cache,
            quarantine: config.quarantine,
            optimise: config.optimise,
            shadow: config.shadow,
            probe: config.probe,
            explanations: Mutex::default(),
            distrusted: Mutex::default(),
            broken: Mutex::default(),
            supporting: Mutex::default(),
            batches: AtomicU64::new(1),
            ready: Semaphore::new(0),
        });
        let first = start_worker(&shared).await?;
        for layer in shared.sandbox_layers().iter().filter(|layer| layer.state == LayerState::Missing) {
            tracing::warn!("detections run with less isolation than there could be: {layer}");
        }
        let (jobs, queue) = mpsc::unbounded_channel();
        let queue = Arc::new(AsyncMutex::new(queue));
        let mut first = Some(first);
        let tasks = (0..config.workers.max(1))
            .map(|_| {
                let seat = Seat { shared: Arc::clone(&shared), worker: first.take() };
                tokio::spawn(seat.serve(Arc::clone(&queue)))
            })
            .collect();
        Ok(Self { shared, jobs, tasks })
    }

    pub(crate) fn submit(&self, job: Job) {
        // Tasks end only when this sender is dropped; whoever waits for a lost job's reply sees that.
        let _ = self.jobs.send(job);
    }

    /// Waits until every worker has started, or could not.
    pub(crate) async fn ready(&self) {
        let all = self.shared.ready.acquire_many(self.tasks.len() as u32).await;
        drop(all.expect("the semaphore is never closed"));
    }

    pub(crate) async fn shutdown(self) {
        drop(self.jobs);
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

impl Shared {
    pub(crate) fn broken(&self) -> BTreeMap<u32, Broken> {
        self.broken.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    pub(crate) fn supporting_errors(&self) -> BTreeMap<String, FunctionError> {
        self.supporting.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    pub(crate) fn sandbox_layers(&self) -> Vec<SandboxLayer> {
        self.layers.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    pub(super) fn keep_layers(&self, layers: Vec<SandboxLayer>) {
        *self.layers.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = layers;
    }

    pub(super) fn note_broken(&self, detection: u32, broken: Broken) {
        self.broken.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(detection, broken);
    }

    pub(super) fn keep_explanations(&self, explanations: BTreeMap<u32, Explanation>) {
        *self.explanations.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = explanations;
    }

    pub(crate) fn explanations(&self) -> BTreeMap<u32, Explanation> {
        self.explanations.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    pub(super) fn keep_supporting_errors(&self, errors: BTreeMap<String, FunctionError>) {
        *self.supporting.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = errors;
    }

    /// Has the next worker copied from a process that is started anew.
    pub(crate) async fn replace_zygote(&self) {
        *self.zygote.lock().await = None;
    }

    /// Notes that a decision without Python was wrong: the detection is Python's from now on.
    pub(crate) fn distrust(&self, detection: u32) {
        self.distrusted.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(detection);
    }

    pub(crate) fn distrusted(&self) -> Vec<u32> {
        self.distrusted.lock().unwrap_or_else(std::sync::PoisonError::into_inner).iter().copied().collect()
    }

    pub(crate) fn next_batch(&self) -> u64 {
        self.batches.fetch_add(1, Ordering::Relaxed)
    }
}

/// Serves one cache request of content.
pub(crate) async fn answer(worker: &mut Worker, cache: &dyn KeyValue, request: &[u8]) -> Result<(), Death> {
    let item = match serde_json::from_slice::<CacheRequest>(request) {
        Ok(request) => cache.apply(&request).await.map_err(|error| error.to_string()),
        Err(error) => Err(format!("not a cache request: {error}")),
    };
    let answer = match item {
        Ok(item) => serde_json::json!({ "item": item }),
        Err(error) => serde_json::json!({ "error": error }),
    };
    worker.send(kind::TO_CACHED, &[answer.to_string().as_bytes()]).await
}

/// What a death means for the detection that was running.
pub(crate) fn error_of(death: &Death, limits: TimeLimits) -> (DetectionErrorKind, FunctionError) {
    let (kind, exception, message) = if death.timed_out {
        let message = format!("ran longer than {} s and did not answer an interrupt", limits.hard.as_secs_f64());
        (DetectionErrorKind::Timeout, "DetectionTimeout", message)
    } else {
        (DetectionErrorKind::Crash, "DetectionCrash", format!("ended its worker process: {}", death.cause))
    };
    (kind, FunctionError { exception: exception.to_owned(), message, place: String::new() })
}

/// One worker's place: a task, and a process as long as it lives.
pub(crate) struct Seat {
    pub(crate) shared: Arc<Shared>,
    pub(crate) worker: Option<Worker>,
}

impl Seat {
    async fn serve(mut self, queue: Arc<AsyncMutex<mpsc::UnboundedReceiver<Job>>>) {
        if self.worker.is_none() {
            // Ready before the first job asks; a failure shows itself then.
            self.worker = start_worker(&self.shared).await.ok();
        }
        self.shared.ready.add_permits(1);
        loop {
            let job = queue.lock().await.recv().await;
            match job {
                Some(Job::Chunk(chunk, reply)) => {
                    let judged = self.judge(chunk).await;
                    let _ = reply.send(judged);
                }
                Some(Job::Test { index, mocks, event, reply }) => {
                    let outcome = self.test(index, &mocks, &event).await;
                    let _ = reply.send(outcome);
                }
                None => return,
            }
        }
    }

    /// The worker, started if need be; the reason when it does not start.
    pub(crate) async fn worker(&mut self) -> Result<&mut Worker, String> {
        let mut tries = 0;
        while self.worker.is_none() {
            match start_worker(&self.shared).await {
                Ok(worker) => self.worker = Some(worker),
                Err(error) => {
                    tries += 1;
                    tracing::error!(tries, "cannot replace a detection worker: {error}");
                    if tries == START_TRIES {
                        return Err(error.to_string());
                    }
                    tokio::time::sleep(Duration::from_millis(100 * u64::from(tries))).await;
                }
            }
        }
        Ok(self.worker.as_mut().expect("just started"))
    }

    async fn test(&mut self, index: u32, mocks: &[Mock], event: &[u8]) -> TestOutcome {
        let limits = self.shared.limits;
        let worker = match self.worker().await {
            Ok(worker) => worker,
            Err(reason) => return not_run("WorkerUnavailable", reason),
        };
        match test_in(worker, index, mocks, event).await {
            Ok(outcome) => outcome,
            Err(death) => {
                self.worker = None;
                let (_, error) = error_of(&death, limits);
                TestOutcome { setup_error: Some(error), ..TestOutcome::default() }
            }
        }
    }
}

async fn test_in(worker: &mut Worker, index: u32, mocks: &[Mock], event: &[u8]) -> Result<TestOutcome, Death> {
    // Tests do not see what others, or the stream, have cached.
    let cache = MemoryCache::default();
    let case = serde_json::json!({ "index": index, "mocks": mocks }).to_string();
    let mut head = Vec::with_capacity(case.len() + 4);
    write_bytes(case.as_bytes(), &mut head);
    worker.start_watch();
    worker.send(kind::TO_TEST, &[&head, event]).await?;
    loop {
        match worker.receive().await? {
            (kind::FROM_CACHE, request) => answer(worker, &cache, &request).await?,
            (_, outcome) => {
                let read = serde_json::from_slice(&outcome);
                return Ok(read.unwrap_or_else(|error| not_run("InvalidOutcome", error.to_string())));
            }
        }
    }
}

/// An outcome without a run.
pub(crate) fn not_run(exception: &str, message: String) -> TestOutcome {
    let error = FunctionError { exception: exception.to_owned(), message, place: String::new() };
    TestOutcome { setup_error: Some(error), ..TestOutcome::default() }
}
