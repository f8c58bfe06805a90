//! What a correlation rule is, what it is given and what it finds.

use std::collections::BTreeMap;

use uncia_model::DetectionId;

use crate::spec::Schedule;

/// A correlation rule's `Detection`.
#[derive(Clone, Debug, PartialEq)]
pub struct CorrelationRule {
    pub members: Vec<Member>,
    pub schedule: Schedule,
    /// Only signals of this long before the evaluation count.
    pub lookback_minutes: i64,
    /// Newer signals are tried first. It decides which signals a match shows, never whether there is one.
    pub newest_first: bool,
    pub(super) form: Form,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Form {
    /// In any order; without criteria all signals are one bucket.
    Group { criteria: Vec<Criterion> },
    /// Step by step; `transitions[i]` leads to step `i + 1`.
    Sequence { transitions: Vec<Transition> },
}

/// A rule whose signals count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name within the rule.
    pub id: String,
    pub rule: DetectionId,
    pub(super) min: usize,
    pub(super) max: Option<usize>,
    /// There must be none.
    pub(super) absence: bool,
    /// Every field whose values are compared; a [`Signal`] needs no others.
    pub fields: Vec<String>,
}

/// Fields that must share a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Criterion {
    pub(super) name: String,
    /// A member's place, and its field.
    pub(super) fields: Vec<(usize, String)>,
}

/// How one step follows the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Transition {
    pub(super) within_minutes: Option<i64>,
    /// Field of the step before, field of this step.
    pub(super) matches: Vec<(String, String)>,
}

/// One signal of a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signal {
    /// Microseconds since 1970.
    pub time: i64,
    /// The values of the member's fields; a list contributes its elements.
    pub values: BTreeMap<String, Vec<String>>,
}

/// Signals that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correlated {
    /// The criterion, or the transition's field; empty when nothing is compared.
    pub criterion: String,
    /// What the signals share.
    pub value: Option<String>,
    /// For each member its signals, by their places.
    pub signals: Vec<Vec<usize>>,
}

impl Member {
    pub(super) fn admits(&self, count: usize) -> bool {
        if self.absence {
            return count == 0;
        }
        count >= self.min && self.max.is_none_or(|max| count <= max)
    }
}

impl Signal {
    pub(super) fn has(&self, field: &str, value: &str) -> bool {
        self.values.get(field).is_some_and(|values| values.iter().any(|has| has == value))
    }
}
