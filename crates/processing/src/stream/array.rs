//! The elements of an array under an envelope path, in a stream of one or more JSON values.
//!
//! A small pushdown walks towards the array and skips what lies beside the path; nothing of the envelope is kept.

use uncia_model::FailureReason;

use super::cut::{Cut, skip_blank};
use super::values::{Scalars, ValueScan};

pub(super) struct ArrayCutter {
    path: Vec<String>,
    /// The containers on the path that are open.
    open: Vec<Container>,
    state: State,
    scan: ValueScan,
    /// The array was found in the present top-level value.
    is_found: bool,
}

#[derive(Debug, PartialEq)]
enum Container {
    Object,
    /// The index of the next item.
    Array(usize),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// A top-level value begins, or the input ends.
    Top,
    /// In an object on the path: a key, a comma, or the end.
    Member,
    /// After a key; whether it is the path's.
    Colon(bool),
    /// In an array on the path: an item, a comma, or the end.
    Item,
    /// The value at the path's next part.
    Target,
    /// A value beside the path.
    Skip,
    /// In the array: an element, a comma, or the end.
    Elements,
    /// An element has begun.
    Element,
}

impl ArrayCutter {
    pub(super) fn new(path: Vec<String>) -> Self {
        Self { path, open: Vec::new(), state: State::Top, scan: ValueScan::default(), is_found: false }
    }

    pub(super) fn next(&mut self, window: &[u8], is_last: bool) -> Cut {
        let mut at = 0;
        loop {
            if !self.scan.is_inside() {
                at = skip_blank(window, at);
            }
            let Some(&byte) = window.get(at) else {
                return match (is_last, self.state) {
                    (false, _) => Cut::More { consumed: at },
                    (true, State::Top) => Cut::End,
                    (true, _) => broken(at, "the input ends within the JSON array's envelope"),
                };
            };
            match self.state {
                State::Top if self.path.is_empty() && byte == b'[' => self.enter_array(&mut at),
                State::Top if self.path.is_empty() => return broken(at, "expected a JSON array"),
                State::Top => {
                    self.is_found = false;
                    if !self.enter_container(byte, &mut at) {
                        return broken(at, "expected a JSON object around the array");
                    }
                }
                State::Member => match byte {
                    b',' => at += 1,
                    b'}' => {
                        at += 1;
                        if let Some(failed) = self.leave(at) {
                            return failed;
                        }
                    }
                    b'"' => match self.key(&window[at..]) {
                        Some((length, is_match)) => {
                            at += length;
                            self.state = State::Colon(is_match);
                        }
                        None if is_last => return broken(at, "the input ends within a key"),
                        None => return Cut::More { consumed: at },
                    },
                    _ => return broken(at, "expected a key"),
                },
                State::Colon(is_match) => {
                    if byte != b':' {
                        return broken(at, "expected `:` after a key");
                    }
                    at += 1;
                    self.state = if is_match { State::Target } else { State::Skip };
                }
                State::Item => match byte {
                    b',' => at += 1,
                    b']' => {
                        at += 1;
                        if let Some(failed) = self.leave(at) {
                            return failed;
                        }
                    }
                    _ => self.state = if self.is_wanted_item() { State::Target } else { State::Skip },
                },
                State::Target => {
                    if self.open.len() == self.path.len() && byte == b'[' {
                        self.enter_array(&mut at);
                    } else if self.open.len() == self.path.len() || !self.enter_container(byte, &mut at) {
                        self.state = State::Skip;
                    }
                }
                State::Skip => match self.scan.end(&window[at..], Scalars::Element, is_last) {
                    Some(length) => {
                        at += length;
                        self.state = self.after_value();
                    }
                    None if is_last => return broken(window.len(), "the input ends within the JSON array's envelope"),
                    None => {
                        self.scan.forget(window.len());
                        return Cut::More { consumed: window.len() };
                    }
                },
                State::Elements => match byte {
                    b',' => at += 1,
                    b']' => {
                        at += 1;
                        self.state = self.after_value();
                    }
                    _ => self.state = State::Element,
                },
                State::Element => match self.scan.end(&window[at..], Scalars::Element, is_last) {
                    Some(length) => {
                        self.state = State::Elements;
                        return Cut::Record { range: at..at + length, consumed: at + length };
                    }
                    None if is_last => return broken(at, "the input ends within an element of the JSON array"),
                    None => return Cut::More { consumed: at },
                },
            }
        }
    }

    pub(super) fn forget(&mut self, count: usize) {
        self.scan.forget(count);
    }

    pub(super) fn is_in_record(&self) -> bool {
        self.state == State::Element
    }

    fn enter_array(&mut self, at: &mut usize) {
        *at += 1;
        self.is_found = true;
        self.state = State::Elements;
    }

    /// Opens an object or array on the way to the path's next part, if this is one that can hold it.
    fn enter_container(&mut self, byte: u8, at: &mut usize) -> bool {
        let is_index = self.path.get(self.open.len()).is_some_and(|part| part.parse::<usize>().is_ok());
        match byte {
            b'{' => {
                self.open.push(Container::Object);
                self.state = State::Member;
            }
            b'[' if is_index => {
                self.open.push(Container::Array(0));
                self.state = State::Item;
            }
            _ => return false,
        }
        *at += 1;
        true
    }

    fn is_wanted_item(&mut self) -> bool {
        let level = self.open.len() - 1;
        let Some(Container::Array(next)) = self.open.last_mut() else { return false };
        let item = *next;
        *next += 1;
        self.path[level].parse() == Ok(item)
    }

    /// The length of the key that begins the text, and whether it is the path's.
    fn key(&self, text: &[u8]) -> Option<(usize, bool)> {
        let length = ValueScan::default().end(text, Scalars::Element, false)?;
        let wanted = &self.path[self.open.len() - 1];
        let key = &text[1..length - 1];
        if !key.contains(&b'\\') {
            return Some((length, key == wanted.as_bytes()));
        }
        let unescaped: Option<String> = serde_json::from_slice(&text[..length]).ok();
        Some((length, unescaped.as_deref() == Some(wanted)))
    }

    fn leave(&mut self, at: usize) -> Option<Cut> {
        self.open.pop();
        self.state = self.after_value();
        if self.state == State::Top && !self.is_found {
            return Some(broken(at, &format!("no array at `{}` in this JSON value", self.path.join("."))));
        }
        None
    }

    fn after_value(&self) -> State {
        match self.open.last() {
            None => State::Top,
            Some(Container::Object) => State::Member,
            Some(Container::Array(_)) => State::Item,
        }
    }
}

fn broken(at: usize, message: &str) -> Cut {
    Cut::Broken { at, reason: FailureReason::EnvelopeError, message: message.to_owned() }
}
