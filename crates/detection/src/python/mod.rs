//! Running Python detections in worker processes: what crosses, how workers are found, started, watched and replaced.

mod cache;
mod chunk;
mod find;
mod found;
mod launch;
mod optimise;
mod outcome;
mod page;
mod pool;
mod process;
mod program;
#[path = "../../../pyworker/src/protocol.rs"]
#[expect(dead_code, reason = "each side writes what the other reads")]
mod protocol;
mod quarantine;
mod runtime;
mod sandbox;
mod start;
mod worker;
mod zygote;

pub(crate) use chunk::{Chunk, Judged};
pub(crate) use find::{extension, interpreter};
pub(crate) use found::Found;
pub(crate) use launch::{LaunchConfig, Launcher};
pub(crate) use pool::{Job, Pool, PoolConfig, not_run};
pub(crate) use quarantine::{Quarantine, Terms};
pub(crate) use worker::TimeLimits;

pub use cache::{CacheChange, CacheError, CacheItem, CacheRequest, KeyValue, MemoryCache};
pub use launch::yield_to_others;
pub use optimise::{Explanation, Optimise, Probe};
pub use outcome::{
    Evaluation, EvaluationStats, EventBatch, FunctionError, FunctionOutcome, Mock, TestCase, TestOutcome,
};
pub use program::{
    DataModelMapping, DetectionKind, KnownDestination, Program, ProgramDataModel, ProgramDetection, PythonSource,
    SimpleDetection,
};
pub use quarantine::Ward;
pub use sandbox::{LayerState, Sandbox, SandboxLayer};
