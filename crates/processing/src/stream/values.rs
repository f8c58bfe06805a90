//! JSON values one after the other: only brackets and quotes are looked at, the parser judges the rest.

use super::cut::{Cut, skip_blank};

/// Finds the end of one JSON value, in as many windows as it takes.
#[derive(Default, Debug)]
pub(super) struct ValueScan {
    /// Bytes of the window that have been looked at.
    looked: usize,
    depth: u32,
    is_string: bool,
    /// The byte after a backslash, in a string, is still to come.
    is_escaped: bool,
    has_started: bool,
}

/// Where values without brackets and quotes end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Scalars {
    /// At white space, or where another value begins.
    Stream,
    /// At a comma or a closing bracket too.
    Element,
}

impl ValueScan {
    pub(super) fn is_inside(&self) -> bool {
        self.has_started
    }

    /// The end of the value that begins the window, which is not blank there.
    pub(super) fn end(&mut self, window: &[u8], scalars: Scalars, is_last: bool) -> Option<usize> {
        let mut at = self.looked;
        if !self.has_started {
            let &first = window.first()?;
            self.has_started = true;
            if !matches!(first, b'{' | b'[' | b'"') {
                return self.scalar(window, 1, scalars, is_last);
            }
        } else if self.depth == 0 && !self.is_string {
            return self.scalar(window, at, scalars, is_last);
        }
        while at < window.len() {
            if self.is_string {
                if std::mem::take(&mut self.is_escaped) {
                    at += 1;
                    continue;
                }
                let Some(offset) = memchr::memchr2(b'"', b'\\', &window[at..]) else {
                    at = window.len();
                    break;
                };
                at += offset + 1;
                if window[at - 1] == b'\\' {
                    self.is_escaped = true;
                    continue;
                }
                self.is_string = false;
                if self.depth == 0 {
                    return self.done(at);
                }
                continue;
            }
            let byte = window[at];
            at += 1;
            match byte {
                b'"' => self.is_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return self.done(at);
                    }
                }
                _ => {}
            }
        }
        self.looked = at;
        None
    }

    fn scalar(&mut self, window: &[u8], from: usize, scalars: Scalars, is_last: bool) -> Option<usize> {
        let ends = |b: &u8| match scalars {
            Scalars::Stream => b.is_ascii_whitespace() || matches!(b, b'{' | b'[' | b'"'),
            Scalars::Element => b.is_ascii_whitespace() || matches!(b, b',' | b']' | b'}'),
        };
        match window.get(from..).and_then(|rest| rest.iter().position(ends)) {
            Some(offset) => self.done(from + offset),
            None if is_last => self.done(window.len()),
            None => {
                self.looked = window.len();
                None
            }
        }
    }

    fn done(&mut self, end: usize) -> Option<usize> {
        *self = Self::default();
        Some(end)
    }

    /// See [`super::cut::Cutter::forget`].
    pub(super) fn forget(&mut self, count: usize) {
        self.looked = self.looked.saturating_sub(count);
    }
}

#[derive(Default)]
pub(super) struct ValueCutter {
    scan: ValueScan,
}

impl ValueCutter {
    pub(super) fn next(&mut self, window: &[u8], is_last: bool) -> Cut {
        let start = if self.scan.is_inside() { 0 } else { skip_blank(window, 0) };
        if start == window.len() && !(is_last && self.scan.is_inside()) {
            return if is_last { Cut::End } else { Cut::More { consumed: start } };
        }
        match self.scan.end(&window[start..], Scalars::Stream, is_last) {
            Some(length) => Cut::Record { range: start..start + length, consumed: start + length },
            // An unfinished value at the end is a record too: the parser says what is wrong with it.
            None if is_last => {
                self.scan = ValueScan::default();
                Cut::Record { range: start..window.len(), consumed: window.len() }
            }
            None => Cut::More { consumed: start },
        }
    }

    pub(super) fn forget(&mut self, count: usize) {
        self.scan.forget(count);
    }

    pub(super) fn is_in_record(&self) -> bool {
        self.scan.is_inside()
    }
}
