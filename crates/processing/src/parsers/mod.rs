//! Text records to named values: what a schema's `parser` key names.
//!
//! A parser turns one record into names and strings, or into nothing at all (a header, a comment); the schema's fields
//! then coerce the strings as they coerce JSON's. Parsers hold no state from record to record: a format that names its
//! columns once reads them from the record's [`Head`](uncia_model::Head), so that a record becomes the same event on
//! whichever thread, and after a crash from the middle of its file on.

mod csv;
mod fastmatch;
mod grok;
mod header;
mod options;
mod pairs;
mod regex;
mod translate;

use std::sync::Arc;

use uncia_model::Head;

pub(crate) use csv::Csv;
pub(crate) use fastmatch::{Fastmatch, Pattern};
pub(crate) use header::Header;
pub(crate) use options::{Template, TextOptions};
pub(crate) use pairs::{Pairs, Work};
pub(crate) use regex::RegexParser;

/// A record as a text parser sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    pub(crate) text: &'a str,
    pub(crate) ordinal: u64,
    pub(crate) head: Option<&'a Arc<Head>>,
}

/// How a log type's records are taken apart.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TextParser {
    pub(crate) format: Format,
    pub(crate) options: TextOptions,
    /// Names that are known before a record is seen.
    pub(crate) columns: Arc<[Box<str>]>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Format {
    Csv(Csv),
    Fastmatch(Fastmatch),
    Regex(RegexParser),
}

/// What a record holds for its parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Names and values, in [`Pairs`].
    Pairs,
    /// A header or a comment: no event, and no failure.
    Nothing,
}

impl TextParser {
    /// Whether records that are JSON are read, too.
    pub(crate) fn reads_json(&self) -> bool {
        match &self.format {
            Format::Csv(_) | Format::Fastmatch(_) | Format::Regex(_) => false,
        }
    }

    /// Whether each record is a line.
    pub(crate) fn reads_lines(&self) -> bool {
        match &self.format {
            Format::Csv(_) | Format::Fastmatch(_) | Format::Regex(_) => true,
        }
    }

    /// The header of a stream with this head, if the format has one; the error says why the stream is none of this format.
    pub(crate) fn header(&self, head: &Head) -> Result<Option<Header>, String> {
        match &self.format {
            Format::Csv(csv) => csv.header(head, &self.columns, &self.options),
            Format::Fastmatch(_) | Format::Regex(_) => Ok(None),
        }
    }

    /// Takes a record apart. `header` is what [`Self::header`] said of the record's head. The error says why the record
    /// is none of this format.
    pub(crate) fn read(&self, line: &Line<'_>, header: Option<&Header>, pairs: &mut Pairs) -> Result<Found, String> {
        pairs.clear();
        if self.options.skips(line) || header.is_some_and(|header| header.has(line)) {
            return Ok(Found::Nothing);
        }
        match &self.format {
            Format::Csv(csv) => csv.read(line, header, &self.columns, pairs)?,
            Format::Fastmatch(fastmatch) => fastmatch.read(line.text, pairs)?,
            Format::Regex(regex) => regex.read(line.text, pairs)?,
        }
        let columns = header.map_or(&self.columns, |header| &header.columns);
        self.options.apply(line.text, columns, pairs);
        Ok(Found::Pairs)
    }
}

#[cfg(test)]
mod tests;
