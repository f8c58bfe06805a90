//! Key=value text, and the formats that wrap it: CEF, LEEF and the kernel's audit log.

use super::fastmatch::unescape;
use super::options::piece_of;
use super::pairs::{Pairs, Piece};

/// `key=value key="a value"`, with any text around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyValue {
    /// What stands between pairs; none: white space.
    pub(crate) delimiter: Option<Box<str>>,
    /// What stands between key and value.
    pub(crate) separator: Box<str>,
}

impl Default for KeyValue {
    fn default() -> Self {
        Self { delimiter: None, separator: "=".into() }
    }
}

impl KeyValue {
    pub(super) fn read(&self, line: &str, pairs: &mut Pairs) -> Result<(), String> {
        self.read_part(line, without_priority(line), pairs);
        if pairs.len() == 0 {
            return Err(format!("no `key{}value` is in the line", self.separator));
        }
        Ok(())
    }

    /// Reads a part of the line.
    pub(super) fn read_part(&self, line: &str, part: &str, pairs: &mut Pairs) {
        match &self.delimiter {
            Some(delimiter) => {
                for piece in part.split(&**delimiter) {
                    if let Some((key, value)) = piece.split_once(&*self.separator) {
                        self.push(line, key.trim(), value.trim(), pairs);
                    }
                }
            }
            None => self.read_blank_separated(line, part, pairs),
        }
    }

    fn push(&self, line: &str, key: &str, value: &str, pairs: &mut Pairs) {
        if key.is_empty() {
            return;
        }
        let quote = value.bytes().next().filter(|byte| matches!(byte, b'"' | b'\''));
        let inner = quote.and_then(|quote| value.strip_prefix(char::from(quote))?.strip_suffix(char::from(quote)));
        let value = unquoted(line, inner.unwrap_or(value), inner.is_some(), pairs);
        pairs.push(piece_of(line, key), value);
    }

    fn read_blank_separated(&self, line: &str, part: &str, pairs: &mut Pairs) {
        let mut rest = part;
        while let Some(at) = rest.find(&*self.separator) {
            // White space may be longer than a byte.
            let before = rest[..at].char_indices().rev().find(|(_, c)| c.is_whitespace() || *c == ',');
            let key_from = before.map_or(0, |(place, c)| place + c.len_utf8());
            let key = rest[key_from..at].trim_start_matches(['[', '(', '{']);
            let after = &rest[at + self.separator.len()..];
            let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
            let (value, is_quoted, end) = match quote.and_then(|quote| Some((quote, closing(&after[1..], quote)?))) {
                Some((_, end)) => (&after[1..=end], true, end + 2),
                None => {
                    let end = after.find(char::is_whitespace).unwrap_or(after.len());
                    (after[..end].trim_end_matches(','), false, end)
                }
            };
            rest = &after[end..];
            if !key.is_empty() {
                let value = unquoted(line, value, is_quoted, pairs);
                pairs.push(piece_of(line, key), value);
            }
        }
    }
}

/// A value without the backslashes that its quotes made necessary.
fn unquoted(line: &str, value: &str, is_quoted: bool, pairs: &mut Pairs) -> Piece {
    if is_quoted && value.contains('\\') {
        return pairs.spare(|spare| unescape(value, spare));
    }
    piece_of(line, value)
}

fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return Some(at),
            _ => {}
        }
    }
    None
}

/// The line behind the `<14>` that syslog puts before everything.
pub(super) fn without_priority(line: &str) -> &str {
    let Some(rest) = line.strip_prefix('<') else { return line };
    match rest.split_once('>') {
        Some((number, rest)) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        _ => line,
    }
}

/// Names of CEF's header, in its order.
const CEF: [&str; 7] =
    ["version", "deviceVendor", "deviceProduct", "deviceVersion", "deviceEventClassId", "name", "severity"];

/// `CEF:0|vendor|product|version|class|name|severity|extension`, with or without a syslog header before it.
pub(super) fn cef(line: &str, pairs: &mut Pairs) -> Result<(), String> {
    let Some(at) = line.find("CEF:") else { return Err("no `CEF:` is in the line".to_owned()) };
    let mut rest = &line[at + 4..];
    for name in CEF {
        let Some(end) = unescaped(rest, '|') else {
            return Err(format!("the CEF header ends before `{name}`"));
        };
        let value = plain(line, &rest[..end], &['|', '\\'], pairs);
        let name = pairs.spare(|spare| spare.push_str(name));
        pairs.push(name, value);
        rest = &rest[end + 1..];
    }
    extension(line, rest, pairs);
    header_text(line, &line[..at], pairs);
    Ok(())
}

/// `LEEF:1.0|vendor|product|version|event|attributes`; in 2.0 the attributes' delimiter stands before them.
pub(super) fn leef(line: &str, pairs: &mut Pairs) -> Result<(), String> {
    let Some(at) = line.find("LEEF:") else { return Err("no `LEEF:` is in the line".to_owned()) };
    let mut rest = &line[at + 5..];
    let version = rest.split('|').next().unwrap_or_default();
    for name in ["leefVersion", "vendor", "product", "version", "eventId"] {
        let Some((value, after)) = rest.split_once('|') else {
            return Err(format!("the LEEF header ends before `{name}`"));
        };
        let name = pairs.spare(|spare| spare.push_str(name));
        pairs.push(name, piece_of(line, value));
        rest = after;
    }
    let mut delimiter = '\t';
    if version.starts_with('2')
        && let Some((given, after)) = rest.split_once('|')
        && let Some(found) = leef_delimiter(given)
    {
        delimiter = found;
        rest = after;
    }
    KeyValue { delimiter: Some(delimiter.to_string().into()), separator: "=".into() }.read_part(line, rest, pairs);
    header_text(line, &line[..at], pairs);
    Ok(())
}

/// One character, or its number: `x09`, `0x09`; nothing stands for a tab.
fn leef_delimiter(text: &str) -> Option<char> {
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (None, _) => return Some('\t'),
        (Some(one), None) => return Some(one),
        _ => {}
    }
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix('x'))?;
    u32::from_str_radix(hex, 16).ok().and_then(char::from_u32)
}

/// What stood before the message itself.
fn header_text(line: &str, before: &str, pairs: &mut Pairs) {
    let before = before.trim();
    if !before.is_empty() {
        let name = pairs.spare(|spare| spare.push_str("syslogHeader"));
        pairs.push(name, piece_of(line, before));
    }
}

/// CEF's extension: a value goes on until the next ` key=`.
fn extension(line: &str, text: &str, pairs: &mut Pairs) {
    let mut rest = text.trim();
    while let Some(at) = unescaped(rest, '=') {
        let key = rest[..at].rsplit(char::is_whitespace).next().unwrap_or_default();
        let after = &rest[at + 1..];
        let end = match unescaped(after, '=') {
            // The next key is the last word before the next sign.
            Some(next) => after[..next].rfind(char::is_whitespace).unwrap_or(next),
            None => after.len(),
        };
        if !key.is_empty() {
            let value = plain(line, after[..end].trim(), &['=', '|', '\\'], pairs);
            pairs.push(piece_of(line, key), value);
        }
        rest = &after[end..];
    }
}

/// The first such character that no backslash stands before.
fn unescaped(text: &str, wanted: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == wanted => return Some(at),
            _ => {}
        }
    }
    None
}

/// A CEF value: a backslash stands before these characters, before `n` and before `r`.
fn plain(line: &str, value: &str, escaped: &[char], pairs: &mut Pairs) -> Piece {
    if !value.contains('\\') {
        return piece_of(line, value);
    }
    pairs.spare(|spare| {
        let mut letters = value.chars();
        while let Some(c) = letters.next() {
            if c != '\\' {
                spare.push(c);
                continue;
            }
            match letters.next() {
                Some('n') => spare.push('\n'),
                Some('r') => spare.push('\r'),
                Some(c) if escaped.contains(&c) => spare.push(c),
                Some(c) => spare.extend(['\\', c]),
                None => spare.push('\\'),
            }
        }
    })
}

/// `type=SYSCALL msg=audit(1364481363.243:24287): arch=… key="x"`, as auditd writes it; what user space put in quotes
/// behind `msg=` is read as pairs, too.
pub(super) fn auditd(line: &str, pairs: &mut Pairs) -> Result<(), String> {
    const MARK: &str = "msg=audit(";
    let Some(at) = line.find(MARK) else { return Err("no `msg=audit(` is in the line".to_owned()) };
    let stamp = &line[at + MARK.len()..];
    let split = stamp.split_once(')').and_then(|(inner, rest)| Some((inner.rsplit_once(':')?, rest)));
    let Some(((time, sequence), rest)) = split else { return Err("the audit time is not closed".to_owned()) };
    let plain = KeyValue::default();
    plain.read_part(line, without_priority(&line[..at]), pairs);
    for (name, value) in [("timestamp", time), ("sequence", sequence)] {
        let name = pairs.spare(|spare| spare.push_str(name));
        pairs.push(name, piece_of(line, value));
    }
    let rest = rest.trim_start_matches(':');
    // Behind the group separator stand the same values as words.
    for part in rest.split('\u{1d}') {
        match part.split_once("msg='") {
            Some((before, inner)) => {
                plain.read_part(line, before, pairs);
                plain.read_part(line, inner.trim_end().trim_end_matches('\''), pairs);
            }
            None => plain.read_part(line, part, pairs),
        }
    }
    Ok(())
}
