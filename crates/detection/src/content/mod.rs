//! Reading content in the layout of panther-analysis: YAML beside Python, many files, none of which can stop the rest.

mod detection;
pub(crate) mod fields;
mod fingerprint;
mod keys;
mod load;
mod problem;
mod program;
mod root;
mod scalar;
pub(crate) mod schedule;
mod standing;
mod supporting;
pub(crate) mod yaml;

pub use fingerprint::Fingerprint;
pub use load::Content;
pub use problem::{ContentProblem, Weight};
pub use root::ContentRoot;
