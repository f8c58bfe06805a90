//! What is wrong with content, said so that its author can mend it.

use std::fmt;

/// One thing that is wrong with one file. It never stops the rest of the content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentProblem {
    pub weight: Weight,
    pub file: String,
    /// From 1; none when the whole file is meant.
    pub line: Option<usize>,
    /// The item's id, if it is known.
    pub id: Option<String>,
    /// What is wrong and the way out.
    pub message: String,
}

/// How much a problem matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// The content works, in a way that its author may not expect.
    Warning,
    /// The file says something that is not valid. What can still be used of it is used.
    Invalid,
}

impl fmt::Display for ContentProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        f.write_str(": ")?;
        if let Some(id) = &self.id {
            write!(f, "{id}: ")?;
        }
        f.write_str(&self.message)
    }
}
