//! What a stream is, from its first bytes: decided once, on the same bytes however they arrive.

use super::cut::skip_blank;
use super::stream_type::StreamType;
use super::values::{Scalars, ValueScan};

/// Bytes that are looked at.
pub(super) const SNIFF_BYTES: usize = 64 * 1024;

/// Envelopes whose array holds the records, even among other members: CloudTrail's and Azure's.
const SURE_ENVELOPES: &[&str] = &["Records", "records"];
/// Envelopes only if nothing but annotations (`@odata.context`) stands beside the array.
const POSSIBLE_ENVELOPES: &[&str] = &["logs", "events", "value", "data", "items"];
/// Members beside a sure envelope's array are shorter than this.
const SMALL_MEMBER_BYTES: usize = 4 * 1024;

/// The shape of the stream that begins with `head`. `is_whole`: nothing comes after it.
pub(super) fn infer(head: &[u8], is_whole: bool) -> StreamType {
    let start = skip_blank(head, 0);
    match head.get(start) {
        Some(b'[') => match head.get(skip_blank(head, start + 1)) {
            Some(b'{' | b']') => StreamType::JsonArray { path: Vec::new() },
            _ => StreamType::Lines,
        },
        Some(b'{') => infer_object(&head[start..], is_whole),
        // A digit there is a syslog priority.
        Some(b'<') if matches!(head.get(start + 1), Some(b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'?' | b'!')) => {
            StreamType::Xml { root: None }
        }
        _ => StreamType::Lines,
    }
}

fn infer_object(head: &[u8], is_whole: bool) -> StreamType {
    if is_subscription(head) {
        return StreamType::CloudWatchLogs { retain_envelope_fields: false };
    }
    if let Some(envelope) = envelope(head) {
        return StreamType::JsonArray { path: vec![envelope.to_owned()] };
    }
    let end = ValueScan::default().end(head, Scalars::Stream, is_whole);
    let value = &head[..end.unwrap_or(head.len())];
    if value.contains(&b'\n') {
        // Between members it is pretty-printed JSON; within a string it is a broken line, and the next is a new record.
        return if has_line_end_in_string(value) { StreamType::Lines } else { StreamType::Json };
    }
    let Some(end) = end else { return StreamType::Lines };
    let after = head[end..].iter().find(|b| !matches!(b, b' ' | b'\t' | b'\r'));
    match after {
        None | Some(b'\n') => StreamType::Lines,
        Some(_) => StreamType::Json,
    }
}

fn has_line_end_in_string(value: &[u8]) -> bool {
    let mut is_string = false;
    let mut bytes = value.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'"' => is_string = !is_string,
            b'\\' if is_string => {
                bytes.next();
            }
            b'\n' if is_string => return true,
            _ => {}
        }
    }
    false
}

/// Whether the object is a CloudWatch Logs subscription document: it says its kind, and has an array of log events.
fn is_subscription(head: &[u8]) -> bool {
    let mut has_kind = false;
    for (key, value) in (Members { text: head, at: 1 }) {
        has_kind |= key == b"messageType" && value.starts_with(b"\"");
        if key == b"logEvents" && value.starts_with(b"[") {
            return has_kind;
        }
    }
    false
}

/// The members of the object that begins a text, as far as they can be seen; a value is the text from its start.
struct Members<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let mut at = skip_blank(self.text, self.at);
        if self.text.get(at) == Some(&b',') {
            at = skip_blank(self.text, at + 1);
        }
        let end = at + ValueScan::default().end(self.text.get(at..)?, Scalars::Element, false)?;
        let key = self.text[at..end].strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        at = skip_blank(self.text, end);
        if self.text.get(at) != Some(&b':') {
            return None;
        }
        at = skip_blank(self.text, at + 1);
        let value = self.text.get(at..)?;
        // A value without an end in sight is the last one seen.
        self.at =
            ValueScan::default().end(value, Scalars::Element, false).map_or(self.text.len(), |length| at + length);
        Some((key, value))
    }
}

/// The key of the array that makes this object an envelope.
fn envelope(head: &[u8]) -> Option<&'static str> {
    let mut at = 1;
    let mut only_annotations = true;
    loop {
        at = skip_blank(head, at);
        if head.get(at) == Some(&b',') {
            at = skip_blank(head, at + 1);
        }
        let key_end = at + ValueScan::default().end(&head[at..], Scalars::Element, false)?;
        let key = head[at..key_end].strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        at = skip_blank(head, key_end);
        if head.get(at) != Some(&b':') {
            return None;
        }
        at = skip_blank(head, at + 1);
        let find = |names: &[&'static str]| names.iter().copied().find(|name| name.as_bytes() == key);
        if head.get(at) == Some(&b'[') && matches!(head.get(skip_blank(head, at + 1)), Some(b'{' | b']')) {
            if let Some(name) = find(SURE_ENVELOPES) {
                return Some(name);
            }
            if let Some(name) = find(POSSIBLE_ENVELOPES) {
                return (only_annotations && rest_is_annotations(&head[at..])).then_some(name);
            }
        }
        only_annotations &= key.starts_with(b"@");
        let length = ValueScan::default().end(&head[at..], Scalars::Element, false)?;
        if length > SMALL_MEMBER_BYTES {
            return None;
        }
        at += length;
    }
}

/// After the array at the text's start: nothing but annotations, as far as one can see.
fn rest_is_annotations(text: &[u8]) -> bool {
    let Some(mut at) = ValueScan::default().end(text, Scalars::Element, false) else { return true };
    loop {
        at = skip_blank(text, at);
        match text.get(at) {
            None | Some(b'}') => return true,
            Some(b',') => at = skip_blank(text, at + 1),
            Some(_) => return false,
        }
        if !text[at..].starts_with(b"\"@") {
            return at >= text.len();
        }
        for _ in 0..2 {
            let Some(length) = ValueScan::default().end(&text[at..], Scalars::Element, false) else { return true };
            at = skip_blank(text, at + length);
            if text.get(at) == Some(&b':') {
                at = skip_blank(text, at + 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        for (head, expected) in [
            ("", "lines"),
            ("text\n", "lines"),
            (" \n[{\"a\":1}]", "json_array"),
            ("[]", "json_array"),
            ("[1,2]", "lines"),
            ("[2021-01-01] GET", "lines"),
            ("{\"a\":1}\n{\"b\":2}\n", "lines"),
            ("{\"a\":1}\r\n\r\n{\"b\":2}\n", "lines"),
            ("{\"a\":1}", "lines"),
            ("{\"a\":1} {\"b\":2}", "json"),
            ("{\"a\":1}{\"b\":2}", "json"),
            ("{\n\"a\":1}\n", "json"),
            ("{\"a\":\"unterminated\n{\"b\":2}\n", "lines"),
            ("{\"Records\":[{\"a\":1}", "json_array:Records"),
            ("{ \"x\" : 1, \"Records\" : [ ] }", "json_array:Records"),
            ("{\"Records\":[1]}", "lines"),
            ("{\"records\":[{}]}", "json_array:records"),
            ("{\"id\":1,\"events\":[{\"a\":1}]}", "lines"),
            ("{\"events\":[{\"a\":1}],\"id\":1}", "lines"),
            ("{\"events\":[{\"a\":1}]}", "json_array:events"),
            ("{\"@odata.context\":\"x\",\"value\":[{\"a\":1}],\"@odata.nextLink\":\"y\"}", "json_array:value"),
            ("{\"a\" 1}\n", "lines"),
            ("{", "lines"),
            ("{\"messageType\":\"DATA_MESSAGE\",\"owner\":\"1\",\"logEvents\":[{\"id\":\"", "cloudwatch_logs"),
            ("{\"messageType\":\"CONTROL_MESSAGE\",\"logEvents\":[]}{", "cloudwatch_logs"),
            ("{\"logEvents\":[1]}", "lines"),
            (" <?xml version='1.0'?><a/>", "xml"),
            ("<Event xmlns='x'>", "xml"),
            ("<34>Oct 11 22:14:15 host su: x", "lines"),
            ("< 3", "lines"),
        ] {
            assert_eq!(infer(head.as_bytes(), true).to_string(), expected, "{head}");
        }
        let long = format!("{{\"a\":\"{}", "x".repeat(SNIFF_BYTES));
        assert_eq!(infer(long.as_bytes(), false), StreamType::Lines);
    }
}
