//! What all text parsers have in common: lines to leave out, values that mean nothing, values made of others.

use super::Line;
use super::pairs::{Pairs, Piece};

/// Applied in this order: `skipLines` and `skipPrefix` before the record is read; then `trimSpace`, `emptyValues` and
/// `expandFields`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TextOptions {
    /// Leading lines of a stream that are no records.
    pub(crate) skip_lines: u64,
    /// Lines that begin so are comments.
    pub(crate) skip_prefix: Option<Box<str>>,
    pub(crate) trim_space: bool,
    /// A value that equals one of these is left out.
    pub(crate) empty_values: Box<[Box<str>]>,
    pub(crate) expand: Box<[Template]>,
}

/// A value made of others: `%{first} %{last}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    /// Place among the parser's own columns.
    pub(crate) name: Box<str>,
    pub(crate) parts: Box<[Part]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Text(Box<str>),
    Value(Box<str>),
}

impl TextOptions {
    pub(crate) fn skips(&self, line: &Line<'_>) -> bool {
        // Lines of a later part of a file are none of its first lines.
        let first = match line.head {
            Some(head) => head.first,
            None => Some(0),
        };
        let is_leading = first.is_some_and(|first| line.ordinal < first.saturating_add(self.skip_lines));
        is_leading || self.skip_prefix.as_ref().is_some_and(|prefix| line.text.starts_with(&**prefix))
    }

    pub(crate) fn apply(&self, line: &str, columns: &[Box<str>], pairs: &mut Pairs) {
        if self.trim_space {
            pairs.trim(line);
        }
        if !self.empty_values.is_empty() {
            pairs.retain(line, |value| !self.is_empty(value));
        }
        for template in &self.expand {
            let mut made = String::new();
            for part in &template.parts {
                match part {
                    Part::Text(text) => made.push_str(text),
                    Part::Value(name) => made.push_str(pairs.find(name, line, columns).unwrap_or_default()),
                }
            }
            if made.is_empty() || self.is_empty(&made) {
                continue;
            }
            let name = pairs.spare(|spare| spare.push_str(&template.name));
            let value = pairs.spare(|spare| spare.push_str(&made));
            pairs.push(name, value);
        }
    }

    fn is_empty(&self, value: &str) -> bool {
        self.empty_values.iter().any(|empty| **empty == *value)
    }
}

impl Template {
    /// Reads `%{a} and %{b}`; what stands between braces is a name, without the space around it.
    pub(crate) fn compile(name: &str, text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find("%{") {
            if at > 0 {
                parts.push(Part::Text(rest[..at].into()));
            }
            let inner = &rest[at + 2..];
            let end = inner.find('}').ok_or_else(|| format!("`{text}`: a `%{{` is not closed"))?;
            parts.push(Part::Value(inner[..end].trim().into()));
            rest = &inner[end + 1..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.into()));
        }
        Ok(Self { name: name.into(), parts: parts.into() })
    }
}

/// A piece of the record from a slice of it.
pub(super) fn piece_of(line: &str, part: &str) -> Piece {
    let from = part.as_ptr() as usize - line.as_ptr() as usize;
    Piece::Line(from as u32, (from + part.len()) as u32)
}
