//! Why a record is not of a log type: which field, and what is wrong with it.

use std::fmt;

use uncia_document::Ref;

/// The first thing that does not fit.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mismatch {
    /// From the inside out.
    path: Vec<Step>,
    problem: String,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(Box<str>),
    Item(usize),
}

impl Mismatch {
    pub(super) fn new(problem: impl Into<String>) -> Self {
        Self { path: Vec::new(), problem: problem.into() }
    }

    /// `expected` does not take this value.
    #[cold]
    pub(super) fn unexpected(expected: &str, found: Ref<'_>) -> Self {
        Self::new(format!("expected {expected}, found {}", describe(found)))
    }

    #[cold]
    pub(super) fn in_field(mut self, name: &str) -> Self {
        self.path.push(Step::Field(name.into()));
        self
    }

    #[cold]
    pub(super) fn in_item(mut self, place: usize) -> Self {
        self.path.push(Step::Item(place));
        self
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return f.write_str(&self.problem);
        }
        f.write_str("field `")?;
        for (n, step) in self.path.iter().rev().enumerate() {
            match step {
                Step::Field(name) if n == 0 => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Item(place) => write!(f, "[{place}]")?,
            }
        }
        write!(f, "`: {}", self.problem)
    }
}

/// A value for a message: its kind, and what it is if that is short.
pub(super) fn describe(value: Ref<'_>) -> String {
    if value.is_object() {
        return "an object".to_owned();
    }
    if value.is_array() {
        return "an array".to_owned();
    }
    let mut text = value.to_json();
    const MOST: usize = 60;
    if text.len() > MOST {
        let end = (0..=MOST).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}
