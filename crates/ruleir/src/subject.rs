//! What a proof is about: a path into the event, what is supposed of it, and what must be tested to know that it holds.

use uncia_document::Value;

use crate::event::Event;
use crate::ir::Key;

/// A place in the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) keys: Box<[Key]>,
    /// Looked up by exact keys only, as data models do.
    pub(crate) exact: bool,
}

/// What stands at a path, as bits.
pub(crate) mod state {
    pub(crate) const TEXT: u8 = 1;
    pub(crate) const OBJECT: u8 = 2;
    pub(crate) const ARRAY: u8 = 4;
    pub(crate) const NUMBER: u8 = 8;
    pub(crate) const BOOL: u8 = 16;
    pub(crate) const NULL: u8 = 32;
    pub(crate) const ABSENT: u8 = 64;
    pub(crate) const ANY: u8 = 127;
}

impl Path {
    /// The state of the path, and the value, as the rule's own lookup finds them.
    pub(crate) fn found(&self, event: &Event<'_>) -> (u8, Value) {
        let mut here = event.root;
        for key in &self.keys {
            let Value::Object(_) = here else { return (state::ABSENT, Value::Null) };
            let found = if self.exact { event.exact_member(here, key) } else { event.member(here, key) };
            match found {
                Some(value) => here = value,
                None => return (state::ABSENT, Value::Null),
            }
        }
        let state = match here {
            Value::String(_) => state::TEXT,
            Value::Object(_) => state::OBJECT,
            Value::Array(_) | Value::EmptyArray => state::ARRAY,
            Value::Number(_) => state::NUMBER,
            Value::Bool(_) => state::BOOL,
            Value::Null => state::NULL,
            // Not made by a parse; no guard allows it.
            Value::Timestamp(_) => 0,
        };
        (state, here)
    }

    pub(crate) fn shown(&self) -> String {
        self.keys.iter().map(|key| &*key.text).collect::<Vec<_>>().join(".")
    }
}

/// What is supposed of the subject's path. Levels count from 1: the key that is missing or null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hypothesis {
    /// Nothing: to see what the rule reads.
    Nothing,
    /// A text for which none of the proof's tests hold.
    Text,
    Bool(bool),
    /// Objects down to the level, and there no such key, in any case.
    Absent(u8),
    Null(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum TestKind {
    Equals,
    StartsWith,
    EndsWith,
    /// The subject contains the text.
    Contains,
    /// The text contains the subject.
    Within,
}

/// A test on the subject's text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Test {
    pub(crate) kind: TestKind,
    /// On the subject's lower-case form; the text is lower case.
    pub(crate) folded: bool,
    pub(crate) text: Box<str>,
}

impl Test {
    /// Whether it surely fails on every text that starts so; `is_whole`: on just this text.
    pub(crate) fn fails_on(&self, start: &str, is_whole: bool) -> bool {
        if is_whole {
            return !self.holds(start);
        }
        match self.kind {
            TestKind::Equals => !self.text.starts_with(start),
            TestKind::StartsWith => !self.text.starts_with(start) && !start.starts_with(&*self.text),
            _ => false,
        }
    }

    pub(crate) fn holds(&self, subject: &str) -> bool {
        match self.kind {
            TestKind::Equals => *subject == *self.text,
            TestKind::StartsWith => subject.starts_with(&*self.text),
            TestKind::EndsWith => subject.ends_with(&*self.text),
            TestKind::Contains => subject.contains(&*self.text),
            TestKind::Within => self.text.contains(subject),
        }
    }
}

/// A proof holds only for events in which the path is in one of the allowed states, and, if that is a text, passes none
/// of the tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Guard {
    pub(crate) path: Path,
    pub(crate) allowed: u8,
    pub(crate) tests: Vec<Test>,
}

/// That a rule returns `False`, under a hypothesis, if the guards hold and none of the tests do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proof {
    pub(crate) tests: Vec<Test>,
    pub(crate) guards: Vec<Guard>,
    /// Guards stand for ways through the rule that could not be proved: such a proof holds for fewer events.
    pub(crate) has_supposed: bool,
}
