//! Headers: the leading lines of a stream that say what the columns of the others are.

use std::sync::Arc;

use uncia_model::Head;

use super::Line;
use super::zeek::ZeekSettings;

/// What the head of a stream says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Header {
    pub(crate) columns: Arc<[Box<str>]>,
    /// Ordinals of the records that are the header: all before this one.
    end: Option<u64>,
    /// The header line itself: files that were joined repeat it.
    text: Box<str>,
    /// What Zeek's header says beside the names.
    pub(super) zeek: Option<ZeekSettings>,
}

impl Header {
    /// A header that is the head's lines before `lines`.
    pub(super) fn new(head: &Head, columns: Vec<Box<str>>, lines: u64, text: &str) -> Self {
        Self { columns: columns.into(), end: head.first.map(|first| first + lines), text: text.into(), zeek: None }
    }

    pub(super) fn with_zeek(self, settings: ZeekSettings) -> Self {
        Self { zeek: Some(settings), ..self }
    }

    /// Whether the record is a line of the header.
    pub(super) fn has(&self, line: &Line<'_>) -> bool {
        let is_leading = self.end.is_some_and(|end| line.ordinal < end);
        is_leading || (!self.text.is_empty() && *self.text == *line.text)
    }
}

/// The lines of a head as records would be cut from it: trimmed, without blank ones. Not UTF-8 ends them.
pub(super) fn lines(head: &Head) -> impl Iterator<Item = &str> {
    let lines = head.lines.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    lines.filter(|line| !line.is_empty()).map_while(|line| std::str::from_utf8(line).ok())
}
