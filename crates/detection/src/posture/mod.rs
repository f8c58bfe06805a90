//! Posture: what the state of an account should be, and what of it is not.
//!
//! ```text
//! content/posture/*.yml ─read─▶ Control ─(its query, asked by the caller)─▶ rows ─judge─▶ Finding
//! ```
//!
//! A control's query selects what violates it, so that the rows are the evidence and no rows is a pass. Reading and judging
//! are pure; who asks the lake, and when, is the caller's business.

mod control;
mod finding;
mod fix;

pub use control::{Control, ControlSet, FrameworkControl};
pub use finding::{Answer, EvidenceRow, Finding, Status};
pub use fix::{FixTemplate, FixTemplateError};
