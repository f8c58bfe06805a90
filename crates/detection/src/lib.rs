//! Detections: from content on disk to matches of events.
//!
//! `python` and `engine` run detections in worker processes of the system's `python3`.

mod engine;
mod python;

pub use engine::{Engine, EngineConfig, EngineError};
pub use python::*;
