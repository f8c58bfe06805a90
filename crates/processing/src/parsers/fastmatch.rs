//! Fastmatch: literal text with `%{name}` between it, matched from the left without going back.

use super::options::piece_of;
use super::pairs::{Pairs, Piece};

/// Patterns in order; the first that matches reads the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fastmatch {
    pub(crate) patterns: Box<[Pattern]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    prefix: Box<str>,
    tags: Box<[Tag]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Tag {
    /// Place among the columns; none: what matches is thrown away.
    column: Option<u16>,
    /// The literal that follows; empty at the end of a pattern, where the tag takes the rest.
    until: Box<str>,
    /// The quote that the tag stands in: what it matches may hold that quote behind a backslash.
    quote: Option<u8>,
}

impl Pattern {
    /// Compiles a pattern; names are added to `columns`.
    pub(crate) fn compile(text: &str, columns: &mut Vec<Box<str>>) -> Result<Self, String> {
        // A record has lost its line end and the white space before it.
        let pattern = text.trim_end_matches(['\n', '\r']);
        if pattern.contains(['\n', '\r']) {
            return Err("a pattern describes one line".to_owned());
        }
        if pattern.len() < 4 {
            return Err("a pattern has at least four characters".to_owned());
        }
        let mut parts = pattern.trim_end().split("%{");
        let prefix = parts.next().unwrap_or_default();
        let mut before = prefix;
        let mut tags: Vec<Tag> = Vec::new();
        for part in parts {
            let Some((name, until)) = part.split_once('}') else {
                return Err(format!("`{pattern}`: a `%{{` is not closed"));
            };
            if before.is_empty() && !tags.is_empty() {
                return Err(format!("`{pattern}`: two tags without text between them"));
            }
            let quote = before.bytes().next_back().filter(|&byte| matches!(byte, b'"' | b'\''));
            let quote = quote.filter(|&quote| until.as_bytes().first() == Some(&quote));
            let column = if name.is_empty() { None } else { Some(column(name, columns)?) };
            tags.push(Tag { column, until: until.into(), quote });
            before = until;
        }
        if tags.is_empty() {
            return Err(format!("`{pattern}` has no tag such as `%{{name}}`"));
        }
        Ok(Self { prefix: prefix.into(), tags: tags.into() })
    }

    fn read(&self, line: &str, pairs: &mut Pairs) -> bool {
        let Some(mut rest) = line.strip_prefix(&*self.prefix) else { return false };
        for tag in &self.tags {
            let value = if let Some(quote) = tag.quote
                && rest.contains('\\')
            {
                let Some(end) = closing_quote(rest, quote).filter(|&end| rest[end..].starts_with(&*tag.until)) else {
                    return false;
                };
                let quoted = &rest[..end];
                rest = &rest[end + tag.until.len()..];
                if quoted.contains('\\') {
                    pairs.spare(|spare| unescape(quoted, spare))
                } else {
                    piece_of(line, quoted)
                }
            } else if tag.until.is_empty() {
                piece_of(line, std::mem::take(&mut rest))
            } else {
                let Some(end) = memchr::memmem::find(rest.as_bytes(), tag.until.as_bytes()) else { return false };
                let plain = &rest[..end];
                rest = &rest[end + tag.until.len()..];
                piece_of(line, plain)
            };
            if let Some(column) = tag.column {
                pairs.push(Piece::Column(column), value);
            }
        }
        true
    }
}

impl Fastmatch {
    pub(super) fn read(&self, line: &str, pairs: &mut Pairs) -> Result<(), String> {
        for pattern in &self.patterns {
            pairs.clear();
            if pattern.read(line, pairs) {
                return Ok(());
            }
        }
        pairs.clear();
        Err(match self.patterns.len() {
            1 => "the line does not match the pattern".to_owned(),
            count => format!("the line matches none of {count} patterns"),
        })
    }
}

/// The place of a name among the columns; new ones are added.
pub(super) fn column(name: &str, columns: &mut Vec<Box<str>>) -> Result<u16, String> {
    let place = columns.iter().position(|column| **column == *name).unwrap_or_else(|| {
        columns.push(name.into());
        columns.len() - 1
    });
    u16::try_from(place).map_err(|_| "too many names".to_owned())
}

/// The first such quote that has no backslash before it.
fn closing_quote(text: &str, quote: u8) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            byte if byte == quote => return Some(at),
            _ => at += 1,
        }
    }
    None
}

/// Writes a text without its backslashes: `\n`, `\"`, `\xNN`, `\uNNNN` and the like. What is no escape stays.
pub(super) fn unescape(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let escape = &rest[at + 1..];
        let Some(letter) = escape.chars().next() else {
            out.push('\\');
            return;
        };
        let (plain, digits) = match letter {
            'n' => (Some('\n'), 0),
            't' => (Some('\t'), 0),
            'r' => (Some('\r'), 0),
            'a' => (Some('\u{7}'), 0),
            'b' => (Some('\u{8}'), 0),
            'f' => (Some('\u{c}'), 0),
            'v' => (Some('\u{b}'), 0),
            '\\' | '"' | '\'' | '/' => (Some(letter), 0),
            'x' => (None, 2),
            'u' => (None, 4),
            'U' => (None, 8),
            _ => (None, 0),
        };
        if let Some(plain) = plain {
            out.push(plain);
            rest = &escape[1..];
            continue;
        }
        let hex = escape.get(1..=digits).filter(|_| digits > 0);
        match hex.and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32) {
            Some(c) => {
                out.push(c);
                rest = &escape[1 + digits..];
            }
            None => {
                out.push('\\');
                rest = escape;
            }
        }
    }
    out.push_str(rest);
}
