//! Running Python detections in worker processes: what crosses, how workers are found, started, watched and replaced.

mod cache;
mod outcome;
mod program;

pub use cache::{CacheChange, CacheError, CacheItem, CacheRequest, KeyValue, MemoryCache};
pub use outcome::{
    Evaluation, EvaluationStats, EventBatch, FunctionError, FunctionOutcome, Mock, TestCase, TestOutcome,
};
pub use program::{
    DataModelMapping, DetectionKind, KnownDestination, Program, ProgramDataModel, ProgramDetection, PythonSource,
};
