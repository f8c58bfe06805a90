//! What is known of one person, and how much of it is a risk.
//!
//! ```text
//! content/insight/*.yml ─read─▶ InsightPart ─(its query, asked by the caller)─▶ rows ─RiskScore::of─▶ points and reasons
//! ```
//!
//! Parts are sections, whose rows are shown, or factors, whose first row adds points and gives a reason its figures. Both are
//! content: what counts how much is to be argued about, and changed, without a compiler.

mod part;
mod score;

pub use part::{InsightPart, InsightSet, PartKind, Subject};
pub use score::{Reason, RiskScore};
