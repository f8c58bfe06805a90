//! Text records to named values: what a schema's `parser` key names.
//!
//! A parser turns one record into names and strings, or into nothing at all (a header, a comment); the schema's fields
//! then coerce the strings as they coerce JSON's. Parsers hold no state from record to record: a format that names its
//! columns once reads them from the record's [`Head`](uncia_model::Head), so that a record becomes the same event on
//! whichever thread, and after a crash from the middle of its file on.

mod base64;
mod csv;
mod fastmatch;
mod grok;
mod header;
mod json;
mod keyvalue;
mod native;
mod options;
mod pairs;
mod regex;
mod script;
mod syslog;
mod translate;
mod vpcflow;
mod windows;
mod zeek;

use std::sync::Arc;

use uncia_document::Timestamp;
use uncia_model::Head;

pub(crate) use csv::Csv;
pub(crate) use fastmatch::{Fastmatch, Pattern};
pub(crate) use header::Header;
pub(crate) use native::Native;
pub(crate) use options::{Template, TextOptions};
pub(crate) use pairs::{Pairs, Work};
pub(crate) use regex::RegexParser;
pub(crate) use script::Script;

/// A record as a text parser sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    pub(crate) text: &'a str,
    pub(crate) ordinal: u64,
    /// When the payload was received: the year of times that name none.
    pub(crate) received: Timestamp,
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
    Native(Native),
    Script(Script),
    /// An XML element, by its attributes and children.
    Xml,
    /// An event of Windows, as XML.
    WindowsEvent,
}

/// What a record holds for its parser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Names and values, in [`Pairs`].
    Pairs,
    /// The record as JSON text.
    Json(String),
    /// A header or a comment: no event, and no failure.
    Nothing,
}

impl TextParser {
    /// Whether records that are JSON are read, too.
    pub(crate) fn reads_json(&self) -> bool {
        match &self.format {
            Format::Script(_) | Format::WindowsEvent => true,
            Format::Csv(_) | Format::Fastmatch(_) | Format::Regex(_) | Format::Native(_) | Format::Xml => false,
        }
    }

    /// Whether records of the log type are also sent as JSON.
    pub(crate) fn is_also_json(&self) -> bool {
        match &self.format {
            Format::Native(native) => native.is_also_json(),
            Format::Xml => true,
            _ => false,
        }
    }

    /// Whether each record is a line.
    pub(crate) fn reads_lines(&self) -> bool {
        match &self.format {
            Format::Csv(_) | Format::Fastmatch(_) | Format::Regex(_) | Format::Native(_) => true,
            Format::Script(_) | Format::Xml | Format::WindowsEvent => false,
        }
    }

    /// The header of a stream with this head, if the format has one; the error says why the stream is none of this format.
    pub(crate) fn header(&self, head: &Head) -> Result<Option<Header>, String> {
        match &self.format {
            Format::Csv(csv) => csv.header(head, &self.columns, &self.options),
            Format::Native(native) => native.header(head),
            Format::Fastmatch(_) | Format::Regex(_) | Format::Script(_) | Format::Xml | Format::WindowsEvent => {
                Ok(None)
            }
        }
    }

    /// Takes a record apart. `header` is what [`Self::header`] said of the record's head. The error says why the record
    /// is none of this format.
    pub(crate) fn read(&self, line: &Line<'_>, header: Option<&Header>, pairs: &mut Pairs) -> Result<Found, String> {
        pairs.clear();
        let is_comment = match &self.format {
            Format::Native(native) => native.is_comment(line.text),
            _ => false,
        };
        if is_comment || self.options.skips(line) || header.is_some_and(|header| header.has(line)) {
            return Ok(Found::Nothing);
        }
        match &self.format {
            Format::Csv(csv) => csv.read(line, header, &self.columns, pairs)?,
            Format::Fastmatch(fastmatch) => fastmatch.read(line.text, pairs)?,
            Format::Regex(regex) => regex.read(line.text, pairs)?,
            Format::Native(native) => native.read(line, header, pairs)?,
            Format::Script(script) => return script.call(line.text).map(Found::Json),
            Format::Xml => return windows::xml(line.text).map(Found::Json),
            Format::WindowsEvent => return windows::event(line.text).map(Found::Json),
        }
        let columns = header.map_or(&self.columns, |header| &header.columns);
        self.options.apply(line.text, columns, pairs);
        Ok(Found::Pairs)
    }
}

#[cfg(test)]
mod tests;
