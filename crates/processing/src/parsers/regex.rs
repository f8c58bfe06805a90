//! Regular expressions with grok names: fragments joined to one expression, its named groups are the values.

use regex::{Regex, RegexBuilder};

use super::options::piece_of;
use super::pairs::{Pairs, Piece};

/// Bytes of a compiled expression; grok patterns unfold to large ones.
const SIZE_LIMIT: usize = 32 * 1024 * 1024;

#[derive(Clone, Debug)]
pub(crate) struct RegexParser {
    regex: Regex,
    /// Group of the expression and place among the columns.
    groups: Box<[(usize, u16)]>,
}

impl PartialEq for RegexParser {
    fn eq(&self, other: &Self) -> bool {
        self.regex.as_str() == other.regex.as_str() && self.groups == other.groups
    }
}

impl RegexParser {
    /// Compiles the joined fragments, with definitions that the schema adds to the known ones.
    pub(crate) fn compile(
        pattern: &str,
        definitions: &[(String, String)],
        columns: &mut Vec<Box<str>>,
    ) -> Result<Self, String> {
        let unfolded = super::grok::unfold(pattern, definitions)?;
        let translated = super::translate::to_rust(&unfolded.text);
        let regex = RegexBuilder::new(&translated).size_limit(SIZE_LIMIT).build().map_err(|error| {
            let said = error.to_string();
            let last = said.lines().last().unwrap_or_default();
            format!("no regular expression: {}", last.trim_start_matches("error: "))
        })?;
        let mut groups = Vec::new();
        for (group, name) in regex.capture_names().enumerate() {
            let Some(name) = name else { continue };
            let field = unfolded.field(name).unwrap_or(name);
            groups.push((group, super::fastmatch::column(field, columns)?));
        }
        if groups.is_empty() {
            return Err("no group of the expression has a name, as in `%{IP:address}` or `(?P<address>…)`".to_owned());
        }
        Ok(Self { regex, groups: groups.into() })
    }

    pub(super) fn read(&self, line: &str, pairs: &mut Pairs) -> Result<(), String> {
        let Some(captures) = self.regex.captures(line) else {
            return Err("the line does not match the expression".to_owned());
        };
        for &(group, column) in &self.groups {
            // A group that took no part has an empty value.
            let value = captures.get(group).map_or(Piece::Line(0, 0), |found| piece_of(line, found.as_str()));
            pairs.push(Piece::Column(column), value);
        }
        Ok(())
    }
}
