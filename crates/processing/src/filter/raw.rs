//! Filters on a record's bytes: a text it contains, or a regular expression.

use memchr::memmem::Finder;
use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;

use super::{FilterAction, FilterError};

/// A filter on records as they come.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawFilterConfig {
    /// `include` or `exclude`.
    pub action: FilterAction,
    /// A text anywhere in the record, exactly as written.
    #[serde(default)]
    pub contains: Option<String>,
    /// A regular expression (RE2 syntax) that is found anywhere in the record.
    #[serde(default)]
    pub regex: Option<String>,
}

/// Raw filters, ready: one automaton for all exclusions, since any of them drops.
#[derive(Debug, Default)]
pub(super) struct RawFilters {
    excluded: Option<Regex>,
    included: Vec<Pattern>,
}

#[derive(Debug)]
enum Pattern {
    Text(Box<Finder<'static>>),
    Regex(Regex),
}

impl RawFilters {
    pub(super) fn compile(configs: &[RawFilterConfig]) -> Result<Self, FilterError> {
        let mut excluded = Vec::new();
        let mut included = Vec::new();
        for (place, config) in configs.iter().enumerate() {
            let fails = |error: regex::Error| FilterError::Regex { place: place + 1, message: error.to_string() };
            let text = config.contains.as_deref().filter(|text| !text.is_empty());
            let pattern = config.regex.as_deref().filter(|pattern| !pattern.is_empty());
            match (config.action, text, pattern) {
                (FilterAction::Exclude, Some(text), None) => excluded.push(regex::escape(text)),
                (FilterAction::Exclude, None, Some(pattern)) => {
                    // Alone first, so that a mistake is found in the pattern that has it.
                    compile(pattern).map_err(fails)?;
                    // A line end before the bracket, in case the pattern ends in a comment of its `x` mode.
                    let end = if pattern.contains('#') { "\n" } else { "" };
                    excluded.push(format!("(?:{pattern}{end})"));
                }
                (FilterAction::Include, Some(text), None) => {
                    included.push(Pattern::Text(Box::new(Finder::new(text).into_owned())));
                }
                (FilterAction::Include, None, Some(pattern)) => {
                    included.push(Pattern::Regex(compile(pattern).map_err(fails)?));
                }
                _ => return Err(FilterError::Pattern(place + 1)),
            }
        }
        let together = |error: regex::Error| FilterError::Regex { place: configs.len(), message: error.to_string() };
        let excluded = match excluded.is_empty() {
            true => None,
            false => Some(compile(&excluded.join("|")).map_err(together)?),
        };
        Ok(Self { excluded, included })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.excluded.is_none() && self.included.is_empty()
    }

    pub(super) fn drops(&self, record: &[u8]) -> bool {
        if self.excluded.as_ref().is_some_and(|excluded| excluded.is_match(record)) {
            return true;
        }
        let matches = |pattern: &Pattern| match pattern {
            Pattern::Text(text) => text.find(record).is_some(),
            Pattern::Regex(regex) => regex.is_match(record),
        };
        !self.included.iter().all(matches)
    }
}

fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).build()
}
