//! JSON text of a document, compact, keys in document order, numbers as they were written.

use crate::scan::special;
use crate::{Document, Ref, Value};

impl Document {
    /// Appends the root as JSON.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        self.write_value(self.root, out);
    }

    #[must_use]
    pub fn to_json(&self) -> String {
        self.root().to_json()
    }

    fn write_value(&self, value: Value, out: &mut Vec<u8>) {
        match value {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Bool(true) => out.extend_from_slice(b"true"),
            Value::Bool(false) => out.extend_from_slice(b"false"),
            Value::Number(text) => out.extend_from_slice(self.text(text).as_bytes()),
            Value::String(text) => write_string(self.text(text), out),
            Value::Timestamp(stamp) => {
                out.push(b'"');
                stamp.write(out);
                out.push(b'"');
            }
            Value::EmptyArray => out.extend_from_slice(b"[]"),
            Value::Array(_) => {
                out.push(b'[');
                for (n, &item) in self.items(value).iter().enumerate() {
                    if n > 0 {
                        out.push(b',');
                    }
                    self.write_value(item, out);
                }
                out.push(b']');
            }
            Value::Object(_) => {
                out.push(b'{');
                let mut first = true;
                for member in self.members(value) {
                    // Not a value of the normal form: only the lake tells an empty list from a missing one.
                    if member.value == Value::EmptyArray {
                        continue;
                    }
                    if !first {
                        out.push(b',');
                    }
                    first = false;
                    write_key(self.text(member.key.text), out);
                    self.write_value(member.value, out);
                }
                out.push(b'}');
            }
        }
    }
}

impl Ref<'_> {
    /// Appends this value as JSON.
    pub fn write_json(self, out: &mut Vec<u8>) {
        self.document().write_value(self.value(), out);
    }

    #[must_use]
    pub fn to_json(self) -> String {
        let mut out = Vec::new();
        self.write_json(&mut out);
        String::from_utf8(out).expect("documents hold UTF-8 only")
    }
}

/// Appends an object's key as JSON, with its colon.
pub fn write_key(key: &str, out: &mut Vec<u8>) {
    write_string(key, out);
    out.push(b':');
}

/// Appends a JSON string literal.
pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut done = 0;
    loop {
        let at = special(bytes, done);
        out.extend_from_slice(&bytes[done..at]);
        let Some(&byte) = bytes.get(at) else { break };
        done = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(control >> 4)]);
                out.push(HEX[usize::from(control & 15)]);
            }
        }
    }
    out.push(b'"');
}
