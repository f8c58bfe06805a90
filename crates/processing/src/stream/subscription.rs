//! Amazon CloudWatch Logs subscription documents: what a log group sends to Firehose, Kinesis or Lambda.
//!
//! One document holds up to thousands of messages of one log stream beside the account, log group and filters they come
//! from; deliveries put documents one after the other without anything between them. `CONTROL_MESSAGE` documents only
//! say that the destination can be reached.

use std::sync::Arc;

use bytes::Bytes;
use uncia_document::{Document, Interner, Parser, Ref};

/// The members beside the messages that make `p_header`.
const HEADER: [&str; 4] = ["owner", "logGroup", "logStream", "subscriptionFilters"];

/// Opens the documents of one stream.
pub(super) struct Opener {
    parser: Parser,
    retain_envelope_fields: bool,
}

/// What a document holds.
#[derive(Debug, PartialEq)]
pub(super) struct Opened {
    pub(super) messages: Vec<Bytes>,
    /// The envelope's fields as a JSON object.
    pub(super) header: Option<Arc<str>>,
}

impl Opener {
    pub(super) fn new(retain_envelope_fields: bool) -> Self {
        Self { parser: Parser::new(Interner::new()), retain_envelope_fields }
    }

    /// The messages of a document, or why it is none.
    pub(super) fn open(&mut self, bytes: &[u8]) -> Result<Opened, String> {
        let document = self.parser.parse(bytes).map_err(|error| format!("no CloudWatch Logs document: {error}"))?;
        let root = document.root();
        let kind = root.get("messageType").and_then(Ref::as_str);
        if kind == Some("CONTROL_MESSAGE") {
            return Ok(Opened { messages: Vec::new(), header: None });
        }
        let Some(events) = root.get("logEvents").filter(|events| events.is_array()) else {
            return Err("no CloudWatch Logs document: it has no array `logEvents`".to_owned());
        };
        let mut messages = Vec::with_capacity(events.items().len());
        for (place, event) in events.items().enumerate() {
            let Some(message) = event.get("message").and_then(Ref::as_str) else {
                return Err(format!("`logEvents[{place}]` of this CloudWatch Logs document has no text `message`"));
            };
            // As a line: a message of white space is none.
            let message = message.trim_ascii();
            if !message.is_empty() {
                messages.push(Bytes::copy_from_slice(message.as_bytes()));
            }
        }
        let header = self.retain_envelope_fields.then(|| header(&document));
        Ok(Opened { messages, header })
    }
}

fn header(document: &Document) -> Arc<str> {
    let mut text = String::from("{");
    for name in HEADER {
        let Some(value) = document.root().get(name) else { continue };
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&format!("\"{name}\":{}", value.to_json()));
    }
    text.push('}');
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, retain: bool) -> String {
        match Opener::new(retain).open(text.as_bytes()) {
            Ok(opened) => format!("{:?} {}", opened.messages, opened.header.as_deref().unwrap_or("-")),
            Err(message) => message,
        }
    }

    #[test]
    fn documents() {
        let document = r#"{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"g","logStream":"s","subscriptionFilters":["f"],"logEvents":[{"id":"1","timestamp":1,"message":"{\"a\":\"\\u00e9\"}\n"},{"message":" "},{"message":"two\nlines"}]}"#;
        insta::assert_snapshot!(shown(document, true), @r#"[b"{\"a\":\"\\u00e9\"}", b"two\nlines"] {"owner":"123456789012","logGroup":"g","logStream":"s","subscriptionFilters":["f"]}"#);
        insta::assert_snapshot!(shown(document, false), @r#"[b"{\"a\":\"\\u00e9\"}", b"two\nlines"] -"#);
        insta::assert_snapshot!(shown(r#"{"messageType":"CONTROL_MESSAGE","logEvents":[{"message":"x"}]}"#, false), @"[] -");
        insta::assert_snapshot!(shown(r#"{"a":1}"#, false), @"no CloudWatch Logs document: it has no array `logEvents`");
        insta::assert_snapshot!(shown(r#"{"logEvents":[{}]}"#, false), @"`logEvents[0]` of this CloudWatch Logs document has no text `message`");
        insta::assert_snapshot!(shown("{", false), @"no CloudWatch Logs document: unexpected end of input at byte 1");
    }
}
