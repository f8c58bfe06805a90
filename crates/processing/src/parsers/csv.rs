//! Comma-separated values, one record a line, with or without a header.
//!
//! Quotes are RFC 4180's, read lazily: a quote within an unquoted field is data, and so is one in a quoted field that no
//! delimiter follows, because senders write what they like.

use uncia_model::Head;

use super::Line;
use super::header::{Header, lines};
use super::options::{TextOptions, piece_of};
use super::pairs::{Pairs, Piece};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Csv {
    pub(crate) delimiter: char,
    pub(crate) has_header: bool,
    /// Names come from the schema and not from the header; an empty one leaves its column out.
    pub(crate) has_columns: bool,
    /// Names that a header must have to be the header of this log type.
    pub(crate) required: Box<[Box<str>]>,
}

impl Csv {
    /// The header line: the first that is neither left out nor a comment. Other formats' first lines are refused, or they
    /// would be lost.
    pub(super) fn header(
        &self,
        head: &Head,
        columns: &[Box<str>],
        options: &TextOptions,
    ) -> Result<Option<Header>, String> {
        if !self.has_header {
            return Ok(None);
        }
        let leading = if head.first.is_some() { options.skip_lines } else { 0 };
        let is_comment = |line: &str| options.skip_prefix.as_ref().is_some_and(|prefix| line.starts_with(&**prefix));
        let mut records = lines(head).zip(0_u64..);
        let Some((line, place)) = records.find(|(line, place)| *place >= leading && !is_comment(line)) else {
            return Err("the file has no header line".to_owned());
        };
        if self.has_columns {
            if columns.len() > 1 && !line.contains(self.delimiter) {
                return Err(format!("the file's first line is no header: it has no {:?}", self.delimiter));
            }
            return Ok(Some(Header::new(head, columns.to_vec(), place + 1, line)));
        }
        let mut cells = Pairs::default();
        self.cells(line, |_, cell, quoted| {
            let value = value(line, cell, quoted, &mut cells);
            cells.push(Piece::Column(0), value);
        });
        let names: Vec<Box<str>> = cells.values(line).map(|name| name.trim().into()).collect();
        if let Some(missing) = self.required.iter().find(|name| !names.contains(name)) {
            return Err(format!("the file's header has no column `{missing}`"));
        }
        Ok(Some(Header::new(head, names, place + 1, line)))
    }

    pub(super) fn read(
        &self,
        line: &Line<'_>,
        header: Option<&Header>,
        columns: &[Box<str>],
        pairs: &mut Pairs,
    ) -> Result<(), String> {
        let names = match header {
            Some(header) => &header.columns,
            None if self.has_columns => columns,
            None => return Err("the first line of its file, which names the columns, is not known".to_owned()),
        };
        let mut count = 0;
        self.cells(line.text, |place, cell, quoted| {
            count = place + 1;
            let Some(name) = names.get(place) else { return };
            if !name.is_empty() {
                let value = value(line.text, cell, quoted, pairs);
                pairs.push(Piece::Column(place as u16), value);
            }
        });
        // A line has lost the white space at its end, and with it the empty columns of a file with tabs.
        let may_miss = self.has_columns || self.delimiter.is_whitespace();
        if !self.has_columns && (count > names.len() || (count < names.len() && !may_miss)) {
            return Err(format!("the line has {count} columns, the header has {}", names.len()));
        }
        for (name, place) in names.iter().zip(0_u16..).skip(count) {
            if !name.is_empty() {
                pairs.push(Piece::Column(place), Piece::Line(0, 0));
            }
        }
        Ok(())
    }

    /// Calls `each` with place, text and whether it stood in quotes, for every cell.
    fn cells<'a>(&self, line: &'a str, mut each: impl FnMut(usize, &'a str, bool)) {
        let mut rest = line;
        for place in 0..=usize::from(u16::MAX) {
            if let Some(inner) = rest.strip_prefix('"') {
                let (end, after) = self.closing_quote(inner);
                each(place, &inner[..end], true);
                match after {
                    Some(after) => rest = &inner[after..],
                    None => return,
                }
                continue;
            }
            let Some((cell, after)) = rest.split_once(self.delimiter) else { return each(place, rest, false) };
            each(place, cell, false);
            rest = after;
        }
    }

    /// Where a quoted cell ends, and where the next one begins.
    fn closing_quote(&self, text: &str) -> (usize, Option<usize>) {
        let mut at = 0;
        while let Some(offset) = text[at..].find('"') {
            let quote = at + offset;
            let after = &text[quote + 1..];
            if after.is_empty() {
                return (quote, None);
            }
            if after.starts_with(self.delimiter) {
                return (quote, Some(quote + 1 + self.delimiter.len_utf8()));
            }
            at = quote + if after.starts_with('"') { 2 } else { 1 };
        }
        (text.len(), None)
    }
}

/// A cell's text; doubled quotes in quotes are one.
fn value(line: &str, cell: &str, quoted: bool, pairs: &mut Pairs) -> Piece {
    if quoted && cell.contains("\"\"") {
        return pairs.spare(|spare| spare.push_str(&cell.replace("\"\"", "\"")));
    }
    piece_of(line, cell)
}
