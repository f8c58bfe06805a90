//! Bytes to events: pure, synchronous, no IO.
//!
//! ```text
//! Payload ─stream─▶ Record ─process─▶ Event | Failure
//!  (split, inflate)          (parse once, classify, coerce, indicators, standard fields)
//! ```
//!
//! - [`schema`]: the YAML schema language, one file a log type; its errors name file and line.
//! - [`stream`]: splitting; memory is bounded whatever the sender does.
//! - [`process`]: each record is parsed once, and its normal form is appended to the same document.
//! - [`failure`]: what did not become an event, as a row.
//! - [`infer`]: schemas from samples.
//! - [`samples`]: schemas carry records with the events they must become.
//!
//! Invariants: a batch never fails as a whole; no input panics; the same record becomes the same event whatever came
//! before it and on whichever thread.

mod failure;
mod indicators;
mod infer;
mod parsers;
mod process;
mod samples;
mod schema;
mod stream;
mod time;
mod xml;
mod yaml_text;

pub use failure::{failure_row, failure_table};
pub use infer::{Inference, InferenceError, InferredSchema, RowFormat};
pub use process::{Processed, Processor};
pub use samples::{SampleError, UpdateError, check_sample, sample_event, update_expected};
pub use schema::{ChangeKind, Sample, Schema, SchemaChange, SchemaError, SchemaSet, standard_columns};
pub use stream::{Records, Splitter, StreamType, StreamTypeError};
