//! Content after reading: one struct for each kind of item that means something to the engine.

mod item;
mod rule;
mod schedule;

pub use item::{AnalysisType, DataModelSpec, GlobalSpec, LookupSpec, OtherItem, QuerySpec};
pub use rule::{Logic, RuleSpec, TestSpec};
pub use schedule::{Cron, CronError, Schedule, When};
