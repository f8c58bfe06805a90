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
//! - [`discovery`]: unknown fields become columns while data flows.
//! - [`filter`]: what a source's owner does not want, dropped and counted.
//! - [`infer`]: schemas from samples.
//! - [`samples`]: schemas carry records with the events they must become.
//!
//! Invariants: a batch never fails as a whole; no input panics; the same record becomes the same event whatever came
//! before it and on whichever thread.

mod columns;
mod discovery;
mod failure;
mod filter;
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

pub use columns::{Columnar, ColumnarError, ColumnarFormat, MAX_COLUMNAR_BYTES, Rows};
pub use discovery::{AddedField, Discovery, Observed, Observer, Revision};
pub use failure::{failure_row, failure_table};
pub use filter::{
    ConditionConfig, EventFilterConfig, FilterAction, FilterConfig, FilterError, Filters, Operator, RawFilterConfig,
};
pub use infer::{Inference, InferenceError, InferredSchema, RowFormat};
pub use process::{Processed, Processor};
pub use samples::{
    CaseError, SampleError, UpdateError, check_case, check_sample, read_test_cases, sample_event, update_expected,
};
pub use schema::{ChangeKind, Sample, Schema, SchemaChange, SchemaError, SchemaSet, TestCase, standard_columns};
pub use stream::{Records, Splitter, StreamType, StreamTypeError};
