//! Filters: records and events that a source's owner does not want, dropped before they cost anything, and counted.
//!
//! Raw filters look at a record's bytes before it is parsed; event filters at the normal form of one log type's events.
//! An exclusion drops what it matches; an inclusion drops what it does not match. Several inclusions must all match, so
//! alternatives belong into one.

mod condition;
mod raw;

use std::collections::BTreeMap;

use serde::Deserialize;
use uncia_model::{Event, LogType};

pub use condition::{ConditionConfig, Operator};
pub use raw::RawFilterConfig;

use condition::Condition;
use raw::RawFilters;

/// The filters of a source, as configured.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FilterConfig {
    /// Filters on records as they come.
    pub raw: Vec<RawFilterConfig>,
    /// Filters on events.
    pub events: Vec<EventFilterConfig>,
}

/// Whether what matches is kept or dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FilterAction {
    Include,
    Exclude,
}

/// A filter on the events of one log type.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventFilterConfig {
    pub log_type: LogType,
    /// `include` or `exclude`.
    pub action: FilterAction,
    /// The condition, e.g. `{ key = "userAgent", condition = "StartsWith", value = "ELB-" }`, or `{ all = […] }`,
    /// `{ any = […] }` of several.
    pub when: ConditionConfig,
}

/// A filter that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    #[error("raw filter {0}: give either `contains` or `regex`, not empty")]
    Pattern(usize),
    #[error("raw filter {place}: {message}")]
    Regex { place: usize, message: String },
    #[error("event filter {place} of {log_type}: {message}")]
    Condition { place: usize, log_type: LogType, message: String },
}

/// A source's filters, ready to be asked.
#[derive(Debug, Default)]
pub struct Filters {
    raw: RawFilters,
    events: BTreeMap<LogType, Vec<(FilterAction, Condition)>>,
}

impl Filters {
    /// Makes filters ready; places in errors count from 1.
    pub fn compile(config: &FilterConfig) -> Result<Self, FilterError> {
        let mut events: BTreeMap<LogType, Vec<(FilterAction, Condition)>> = BTreeMap::new();
        for (place, filter) in config.events.iter().enumerate() {
            let condition = Condition::compile(&filter.when).map_err(|message| FilterError::Condition {
                place: place + 1,
                log_type: filter.log_type.clone(),
                message,
            })?;
            events.entry(filter.log_type.clone()).or_default().push((filter.action, condition));
        }
        Ok(Self { raw: RawFilters::compile(&config.raw)?, events })
    }

    /// The log types that have event filters.
    pub fn log_types(&self) -> impl Iterator<Item = &LogType> {
        self.events.keys()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty() && self.events.is_empty()
    }

    /// Whether a record is dropped unparsed.
    #[inline]
    #[must_use]
    pub fn drops_record(&self, record: &[u8]) -> bool {
        !self.raw.is_empty() && self.raw.drops(record)
    }

    /// Whether an event is dropped.
    #[must_use]
    pub fn drops_event(&self, event: &Event) -> bool {
        let Some(filters) = self.events.get(&event.log_type) else { return false };
        let root = event.document.root();
        filters.iter().any(|(action, condition)| condition.holds(root) == (*action == FilterAction::Exclude))
    }
}

#[cfg(test)]
mod tests;
