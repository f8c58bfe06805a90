//! One XML element to JSON text, so that a plain schema takes it.
//!
//! ```text
//! <Event id="7"><User>al</User><Tag>a</Tag><Tag>b</Tag><Data Name="x">1</Data></Event>
//! {"id":"7","User":"al","Tag":["a","b"],"Data":{"Name":"x","#text":"1"}}
//! ```
//!
//! The element's own name is left out: it says what the record is, not what is in it. Attributes and children become
//! members under their names; what repeats becomes an array; an element of mere text is that text, and text beside
//! attributes or children is `#text`. Values stay strings, as the schema knows their types. Entities that a document
//! declares are not expanded: their references are kept as they are written.

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};
use serde_json::map::Entry;
use serde_json::{Map, Value};
use uncia_document::MAX_DEPTH;

/// The member that holds an element's text where there is more in the element.
const TEXT: &str = "#text";

/// Why bytes are no XML element.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum XmlError {
    #[error("invalid UTF-8 at byte {0}")]
    InvalidUtf8(usize),
    #[error("no XML element but text")]
    NoElement,
    #[error("more than one XML element")]
    MoreThanOne,
    #[error("the XML ends within element `{0}`")]
    Unfinished(String),
    #[error("elements nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    #[error("malformed XML near byte {at}: {message}")]
    Malformed { at: u64, message: String },
}

/// An element whose end is still to come.
struct Open {
    name: String,
    members: Map<String, Value>,
    text: String,
}

/// The JSON object of the one element in the text; a declaration, comments and white space may stand around it.
pub(crate) fn to_json(xml: &[u8]) -> Result<Vec<u8>, XmlError> {
    let text = std::str::from_utf8(xml).map_err(|error| XmlError::InvalidUtf8(error.valid_up_to()))?;
    let mut reader = Reader::from_str(text);
    reader.config_mut().allow_dangling_amp = true;
    let mut open: Vec<Open> = Vec::new();
    let mut root: Option<Value> = None;
    loop {
        let event = reader.read_event().map_err(|error| malformed(&reader, &error))?;
        match event {
            Event::Start(start) => {
                if open.is_empty() && root.is_some() {
                    return Err(XmlError::MoreThanOne);
                }
                if open.len() >= MAX_DEPTH - 1 {
                    return Err(XmlError::TooDeep);
                }
                open.push(
                    Open::of(&start)
                        .map_err(|message| XmlError::Malformed { at: reader.buffer_position(), message })?,
                );
            }
            Event::Empty(start) => {
                if open.is_empty() && root.is_some() {
                    return Err(XmlError::MoreThanOne);
                }
                let element = Open::of(&start)
                    .map_err(|message| XmlError::Malformed { at: reader.buffer_position(), message })?;
                close(element, &mut open, &mut root);
            }
            Event::End(_) => {
                if let Some(element) = open.pop() {
                    close(element, &mut open, &mut root);
                }
            }
            Event::Text(text) => push_text(&mut open, &text.xml10_content())?,
            Event::CData(data) => push_text(&mut open, &data.xml10_content())?,
            Event::GeneralRef(reference) => push_text(&mut open, &resolved(&reference))?,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            Event::Eof => break,
        }
    }
    if let Some(element) = open.pop() {
        return Err(XmlError::Unfinished(element.name));
    }
    match root.ok_or(XmlError::NoElement)? {
        Value::Object(members) => Ok(serde_json::to_vec(&members).expect("a map of strings has a JSON form")),
        text => {
            let members = Map::from_iter([(TEXT.to_owned(), text)]);
            Ok(serde_json::to_vec(&members).expect("a map of strings has a JSON form"))
        }
    }
}

impl Open {
    fn of(start: &BytesStart<'_>) -> Result<Self, String> {
        let name = start.name().as_ref().to_owned();
        let mut members = Map::new();
        for attribute in start.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let value = match attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0) {
                Ok(value) => value.into_owned(),
                // A reference to an entity that only the document's declarations know.
                Err(_) => attribute.value.into_owned(),
            };
            add(&mut members, attribute.key.as_ref(), Value::String(value));
        }
        Ok(Self { name, members, text: String::new() })
    }

    fn value(mut self) -> Value {
        let text = self.text.trim();
        if self.members.is_empty() {
            return Value::String(text.to_owned());
        }
        if !text.is_empty() {
            add(&mut self.members, TEXT, Value::String(text.to_owned()));
        }
        Value::Object(self.members)
    }
}

fn close(mut element: Open, open: &mut [Open], root: &mut Option<Value>) {
    let name = std::mem::take(&mut element.name);
    let value = element.value();
    match open.last_mut() {
        Some(parent) => add(&mut parent.members, &name, value),
        None => *root = Some(value),
    }
}

/// Adds a member; a name's second value makes an array of both. Values are strings and objects, so arrays are ours.
fn add(members: &mut Map<String, Value>, name: &str, value: Value) {
    match members.entry(name) {
        Entry::Vacant(place) => {
            place.insert(value);
        }
        Entry::Occupied(mut place) => match place.get_mut() {
            Value::Array(values) => values.push(value),
            first => {
                let both = vec![first.take(), value];
                *first = Value::Array(both);
            }
        },
    }
}

fn push_text(open: &mut [Open], text: &str) -> Result<(), XmlError> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim_matches(['\u{feff}', ' ', '\t', '\r', '\n']).is_empty() => {}
        None => return Err(XmlError::NoElement),
    }
    Ok(())
}

fn resolved(reference: &BytesRef<'_>) -> String {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return character.to_string();
    }
    match quick_xml::escape::resolve_predefined_entity(reference) {
        Some(text) => text.to_owned(),
        None => format!("&{};", &**reference),
    }
}

fn malformed(reader: &Reader<&[u8]>, error: &quick_xml::Error) -> XmlError {
    XmlError::Malformed { at: reader.error_position(), message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(xml: &str) -> String {
        match to_json(xml.as_bytes()) {
            Ok(json) => String::from_utf8(json).unwrap(),
            Err(error) => format!("! {error}"),
        }
    }

    #[test]
    fn table() {
        for (xml, json) in [
            ("<a/>", r##"{"#text":""}"##),
            ("<a> x &amp; y </a>", r##"{"#text":"x & y"}"##),
            (r#"<a b="1" c='"2"'/>"#, r#"{"b":"1","c":"\"2\""}"#),
            ("<a><b/><c>1</c><c>2</c><c><d>3</d></c></a>", r#"{"b":"","c":["1","2",{"d":"3"}]}"#),
            (r#"<a b="1"><b>2</b>text</a>"#, r##"{"b":["1","2"],"#text":"text"}"##),
            ("<?xml version=\"1.0\"?>\n<!-- x --><a><![CDATA[<&>]]>&#65;&lt;</a>\n", r##"{"#text":"<&>A<"}"##),
            ("<!DOCTYPE a [<!ENTITY e 'boom'>]><a t='&e;'>&e;&e;</a>", r##"{"t":"&e;","#text":"&e;&e;"}"##),
            (r#"<x:a xmlns:x="u"><x:b>1</x:b></x:a>"#, r#"{"xmlns:x":"u","x:b":"1"}"#),
            ("text", "! no XML element but text"),
            ("<a/><b/>", "! more than one XML element"),
            ("<a><b>", "! the XML ends within element `b`"),
            ("", "! no XML element but text"),
        ] {
            assert_eq!(shown(xml), json, "{xml}");
        }
        assert!(shown("<a></b>").starts_with("! malformed XML near byte"), "{}", shown("<a></b>"));
        assert_eq!(shown(&"<a>".repeat(1_000)), format!("! elements nested deeper than {MAX_DEPTH} levels"));
        assert_eq!(to_json(b"<a>\xff</a>"), Err(XmlError::InvalidUtf8(3)));
    }

    #[test]
    fn the_deepest_element_is_a_record_still() {
        let xml = format!("{}{}", "<a>".repeat(MAX_DEPTH - 1), "</a>".repeat(MAX_DEPTH - 1));
        let json = to_json(xml.as_bytes()).unwrap();
        assert!(uncia_document::Parser::new(uncia_document::Interner::new()).parse(&json).is_ok());
    }
}
