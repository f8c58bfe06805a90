//! The text of one row's `p_extra`, written as the row is walked.
//!
//! Most rows have nothing to say here, so an object is opened only when its first member comes: `path` is where the walk
//! is, `open` how much of it the text has opened.

use uncia_document::{Ref, Value, write_key};

#[derive(Default)]
pub(crate) struct Extra {
    text: Vec<u8>,
    path: Vec<String>,
    /// Names on the path so far; `path` keeps the strings beyond for their memory.
    depth: usize,
    /// Objects opened in the text, the root included.
    open: usize,
}

impl Extra {
    pub(crate) fn start(&mut self) {
        self.text.clear();
        self.depth = 0;
        self.open = 0;
    }

    /// The walk enters the object at this key.
    pub(crate) fn enter(&mut self, key: &str) {
        if self.depth == self.path.len() {
            self.path.push(String::new());
        }
        let name = &mut self.path[self.depth];
        name.clear();
        name.push_str(key);
        self.depth += 1;
    }

    pub(crate) fn leave(&mut self) {
        self.depth -= 1;
        if self.open > self.depth + 1 {
            self.text.push(b'}');
            self.open -= 1;
        }
    }

    /// Keeps a member of the object where the walk is.
    pub(crate) fn keep(&mut self, key: &str, value: Ref<'_>) {
        while self.open < self.depth + 1 {
            if self.open > 0 {
                self.comma();
                write_key(&self.path[self.open - 1], &mut self.text);
            }
            self.text.push(b'{');
            self.open += 1;
        }
        self.comma();
        write_key(key, &mut self.text);
        write_json(&mut self.text, value);
    }

    /// The text, if there is any.
    pub(crate) fn finish(&mut self) -> Option<&str> {
        if self.open == 0 {
            return None;
        }
        self.text.push(b'}');
        self.open = 0;
        Some(std::str::from_utf8(&self.text).expect("documents hold UTF-8 only"))
    }

    fn comma(&mut self) {
        if self.text.last() != Some(&b'{') {
            self.text.push(b',');
        }
    }
}

/// JSON of a value with the empty lists that the normal form leaves out of objects.
pub(crate) fn write_json(text: &mut Vec<u8>, value: Ref<'_>) {
    match value.value() {
        Value::Object(_) => {
            text.push(b'{');
            for (n, ((_, key), member)) in value.members().enumerate() {
                if n > 0 {
                    text.push(b',');
                }
                write_key(key, text);
                write_json(text, member);
            }
            text.push(b'}');
        }
        Value::Array(_) => {
            text.push(b'[');
            for (n, item) in value.items().enumerate() {
                if n > 0 {
                    text.push(b',');
                }
                write_json(text, item);
            }
            text.push(b']');
        }
        _ => value.write_json(text),
    }
}
