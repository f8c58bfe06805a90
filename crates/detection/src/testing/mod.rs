//! Running the unit tests that content carries, with the verdicts of Panther's own tool.

mod conformance;
mod events;
mod filter;
mod json;
mod render;
mod report;
mod run;
mod verdict;

pub use conformance::{Conformance, Flip, Tally, flip_expectations};
pub use events::{TestsAsEvents, tests_as_events};
pub use filter::{Filter, FilterError};
pub use json::{TestRow, TestRowError, TestRowResult};
pub use render::Rendering;
pub use report::{DetectionReport, DetectionState, TestReport, TestResult, Verdict};
pub use run::{Progress, TestOptions, test_content};
