//! XML elements one after the other, or within a root element.
//!
//! Only tags are looked at, and of those within a record only the ones that are named like it: an element left open
//! inside a record spoils that record and not the ones behind it. The converter judges the rest.

use uncia_model::FailureReason;

use super::cut::{Cut, trimmed};

/// Where records stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Root {
    /// The top-level elements are the records.
    Absent,
    /// The records are the children of the top-level element, whatever its name.
    Any,
    /// The records are the children of the elements with this name.
    Named(String),
}

pub(super) struct ElementCutter {
    root: Root,
    /// The root element that is open.
    open_root: Option<Vec<u8>>,
    /// The record in work: its element's name, and how many elements of that name are open.
    record: Option<(Vec<u8>, usize)>,
    /// Bytes of the record in work that have been looked at; the window begins with it.
    looked: usize,
    has_found_root: bool,
}

/// A piece of markup, or the text before it.
#[derive(Debug, PartialEq)]
enum Token<'a> {
    Text {
        end: usize,
    },
    Start {
        name: &'a [u8],
        is_empty: bool,
        end: usize,
    },
    Stop {
        name: &'a [u8],
        end: usize,
    },
    /// A comment, declaration, instruction or CDATA section.
    Other {
        is_text: bool,
        end: usize,
    },
    /// Its end is not in the window.
    Incomplete,
}

impl ElementCutter {
    pub(super) fn new(root: Root) -> Self {
        Self { root, open_root: None, record: None, looked: 0, has_found_root: false }
    }

    pub(super) fn next(&mut self, window: &[u8], is_last: bool) -> Cut {
        let mut start = 0;
        let mut at = std::mem::take(&mut self.looked);
        loop {
            let token = if at < window.len() { token(window, at) } else { Token::Incomplete };
            if let Some((name, open)) = &mut self.record {
                let end = match token {
                    Token::Incomplete if is_last => {
                        // Unfinished: the converter says what is missing.
                        self.record = None;
                        return Cut::Record { range: start..window.len(), consumed: window.len() };
                    }
                    Token::Incomplete => {
                        self.looked = at - start;
                        return Cut::More { consumed: start };
                    }
                    Token::Start { name: found, is_empty: false, end } if found == name => {
                        *open += 1;
                        end
                    }
                    Token::Stop { name: found, end } if found == name => {
                        *open -= 1;
                        end
                    }
                    Token::Text { end }
                    | Token::Start { end, .. }
                    | Token::Stop { end, .. }
                    | Token::Other { end, .. } => end,
                };
                at = end;
                if *open == 0 {
                    self.record = None;
                    return Cut::Record { range: start..at, consumed: at };
                }
                continue;
            }
            match token {
                Token::Incomplete if is_last => return self.end(window, at),
                Token::Incomplete => return Cut::More { consumed: at },
                Token::Start { name, is_empty, end } => {
                    if self.is_record() {
                        if is_empty {
                            return Cut::Record { range: at..end, consumed: end };
                        }
                        self.record = Some((name.to_vec(), 1));
                        start = at;
                    } else if self.is_root(name) {
                        self.has_found_root = true;
                        self.open_root = (!is_empty).then(|| name.to_vec());
                    }
                    at = end;
                }
                Token::Stop { name, end } => {
                    if self.open_root.as_deref() == Some(name) {
                        self.open_root = None;
                    } else if !matches!(self.root, Root::Named(_)) {
                        return broken(at, "an end tag without its start tag");
                    }
                    at = end;
                }
                Token::Text { end } | Token::Other { is_text: true, end } => {
                    let range = trimmed(window, at..end);
                    let is_ours = self.is_record() || !matches!(self.root, Root::Named(_));
                    // Text where a record should be: the converter refuses it, and the next element is good again.
                    if is_ours && !range.is_empty() {
                        if end == window.len() && !is_last {
                            return Cut::More { consumed: at };
                        }
                        return Cut::Record { range, consumed: end };
                    }
                    at = end;
                }
                Token::Other { is_text: false, end } => at = end,
            }
        }
    }

    /// Whether an element that begins here is a record.
    fn is_record(&self) -> bool {
        self.root == Root::Absent || self.open_root.is_some()
    }

    fn is_root(&self, name: &[u8]) -> bool {
        match &self.root {
            Root::Absent => false,
            Root::Any => true,
            Root::Named(wanted) => wanted.as_bytes() == name,
        }
    }

    /// Nothing comes behind the window, and no record is in work.
    fn end(&self, window: &[u8], at: usize) -> Cut {
        if at < window.len() {
            return broken(at, "the input ends within a tag");
        }
        if let Some(name) = &self.open_root {
            let name = String::from_utf8_lossy(name);
            return broken(at, &format!("the input ends within the XML element `{name}`"));
        }
        match &self.root {
            Root::Named(name) if !self.has_found_root => broken(at, &format!("no XML element `{name}`")),
            _ => Cut::End,
        }
    }

    /// See [`super::cut::Cutter::forget`].
    pub(super) fn forget(&mut self, count: usize) {
        self.looked = self.looked.saturating_sub(count);
    }

    /// A tag that has begun must stay, unless it alone is too long to be one.
    pub(super) fn droppable(&self, held: usize) -> usize {
        if self.looked == 0 { held } else { self.looked }
    }

    pub(super) fn is_in_record(&self) -> bool {
        self.record.is_some()
    }
}

fn broken(at: usize, message: &str) -> Cut {
    Cut::Broken { at, reason: FailureReason::EnvelopeError, message: message.to_owned() }
}

/// The token at a place in the window.
fn token(window: &[u8], at: usize) -> Token<'_> {
    let rest = &window[at..];
    if rest[0] != b'<' {
        let end = memchr::memchr(b'<', rest).map_or(window.len(), |offset| at + offset);
        return Token::Text { end };
    }
    for (opening, closing, is_text) in
        [(&b"<!--"[..], &b"-->"[..], false), (b"<![CDATA[", b"]]>", true), (b"<?", b"?>", false)]
    {
        if rest.starts_with(opening) {
            return match memchr::memmem::find(&rest[opening.len()..], closing) {
                Some(offset) => Token::Other { is_text, end: at + opening.len() + offset + closing.len() },
                None => Token::Incomplete,
            };
        }
        if opening.starts_with(rest) {
            return Token::Incomplete;
        }
    }
    if rest.starts_with(b"<!") {
        return declaration(rest).map_or(Token::Incomplete, |length| Token::Other { is_text: false, end: at + length });
    }
    let Some(length) = tag(rest) else { return Token::Incomplete };
    let end = at + length;
    let inside = &rest[1..length - 1];
    if let Some(inside) = inside.strip_prefix(b"/") {
        return Token::Stop { name: name(inside), end };
    }
    Token::Start { name: name(inside), is_empty: inside.ends_with(b"/"), end }
}

/// The length of the tag that begins the text: `>` within quotes does not end it.
fn tag(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr::memchr3(b'>', b'"', b'\'', &text[at..])?;
        if text[at] == b'>' {
            return Some(at + 1);
        }
        at += 1 + memchr::memchr(text[at], &text[at + 1..])? + 1;
    }
}

/// The length of the `<!…>` that begins the text, with an internal subset in brackets.
fn declaration(text: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 2;
    while at < text.len() {
        match text[at] {
            quote @ (b'"' | b'\'') => at += 1 + memchr::memchr(quote, &text[at + 1..])?,
            b'[' => depth += 1,
            b']' => depth = depth.saturating_sub(1),
            b'>' if depth == 0 => return Some(at + 1),
            _ => {}
        }
        at += 1;
    }
    None
}

fn name(inside: &[u8]) -> &[u8] {
    let end = inside.iter().position(|b| b.is_ascii_whitespace() || *b == b'/').unwrap_or(inside.len());
    &inside[..end]
}

/// Whether the first element is a root around the records, seen from the stream's first bytes: its children all have one
/// name and there are several of them, or the root is named for them (`Events` for `Event`).
pub(super) fn infer_root(head: &[u8]) -> Root {
    let mut open: Vec<&[u8]> = Vec::new();
    let mut root: Option<&[u8]> = None;
    let mut child: Option<(&[u8], usize)> = None;
    let mut at = 0;
    while at < head.len() {
        at = match token(head, at) {
            Token::Incomplete => break,
            Token::Text { end } | Token::Other { is_text: true, end } => {
                if open.len() == 1 && !head[at..end].trim_ascii().is_empty() {
                    return Root::Absent;
                }
                end
            }
            Token::Other { is_text: false, end } => end,
            Token::Stop { end, .. } => {
                open.pop();
                end
            }
            Token::Start { name, is_empty, end } => {
                match (open.len(), root, child) {
                    (0, Some(_), _) => return Root::Absent,
                    (0, None, _) => root = Some(name),
                    (1, _, Some((first, _))) if first != name => return Root::Absent,
                    (1, _, before) => child = Some((name, before.map_or(0, |(_, count)| count) + 1)),
                    _ => {}
                }
                if !is_empty {
                    open.push(name);
                }
                end
            }
        };
    }
    match (root, child) {
        (Some(_), Some((_, 2..))) => Root::Any,
        (Some(root), Some((child, _))) if is_plural(root, child) => Root::Any,
        _ => Root::Absent,
    }
}

fn is_plural(root: &[u8], child: &[u8]) -> bool {
    root.len() > child.len() && root[..child.len()].eq_ignore_ascii_case(child)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens() {
        for (text, expected) in [
            ("ab<c", Token::Text { end: 2 }),
            ("<a b='>'>x", Token::Start { name: b"a", is_empty: false, end: 9 }),
            ("<a/>", Token::Start { name: b"a", is_empty: true, end: 4 }),
            ("</a >", Token::Stop { name: b"a", end: 5 }),
            ("<!-- > -->", Token::Other { is_text: false, end: 10 }),
            ("<![CDATA[<a>]]>", Token::Other { is_text: true, end: 15 }),
            ("<!DOCTYPE a [<!ENTITY b '>'>]>c", Token::Other { is_text: false, end: 30 }),
            ("<?xml ?>", Token::Other { is_text: false, end: 8 }),
            ("<![CDA", Token::Incomplete),
            ("<a b='>", Token::Incomplete),
            ("<", Token::Incomplete),
        ] {
            assert_eq!(token(text.as_bytes(), 0), expected, "{text}");
        }
    }

    #[test]
    fn roots() {
        for (text, expected) in [
            ("<?xml version='1.0'?><Events><Event/></Events>", Root::Any),
            ("<log><entry>1</entry><entry>2</entry>", Root::Any),
            ("<Event><System/><EventData/></Event>", Root::Absent),
            ("<Event><System/></Event>\n<Event><System/></Event>", Root::Absent),
            ("<a>text<b/><b/></a>", Root::Absent),
            ("<a/>", Root::Absent),
            ("<Event><System>unfinished", Root::Absent),
            ("<Events><Event><System>unfinished", Root::Any),
            ("", Root::Absent),
        ] {
            assert_eq!(infer_root(text.as_bytes()), expected, "{text}");
        }
    }
}
