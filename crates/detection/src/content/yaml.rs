//! YAML 1.2 with line numbers: what content files are written in.
//!
//! Panther's tool reads content with YAML 1.2 scalars, and verdicts depend on it: `yes`, `no`, `on`, `off`, `1:30` and
//! timestamps are text, `0644` is 644. Deserialising libraries read some of these in the manner of 1.1 and forget where
//! a value stood, so this builds its own tree, whose every node knows its line.

use saphyr_parser::{Event, Parser, ScanError, Span, StrInput};
use serde_json::{Map, Number, Value};

use super::scalar::scalar;

/// A value and the line (from 1) on which it begins.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) yaml: Yaml,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Yaml {
    Null,
    Bool(bool),
    /// Decimal digits with an optional `-`.
    Int(String),
    /// The number, and how it is written: a report's `2.10` is not `2.1`.
    Float(f64, String),
    Text(String),
    List(Vec<Node>),
    /// Pairs in the file's order; keys are unique.
    Map(Vec<(Key, Node)>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Key {
    pub(crate) line: usize,
    pub(crate) text: String,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct YamlError {
    pub(crate) line: usize,
    pub(crate) message: String,
}

/// Aliases are copied; more nodes than this are an alias bomb.
const MAX_NODES: usize = 1_000_000;
/// Deeper nesting would overflow the stack of whoever walks the tree.
const MAX_DEPTH: usize = 128;

/// A line inside braces may begin left of where it should; this many of them are put right in one file.
const MAX_REPAIRS: usize = 1_000;
const REPAIR: &str = "                                                                ";

/// Parses the one document of a file; an empty file is null.
///
/// YAML wants the lines between braces to be indented more than the key before them. Other parsers do not insist, and
/// files are written accordingly: a closing brace stands below its key. Such a line is moved to the right, where
/// indentation means nothing, and the file is read again.
pub(crate) fn parse(text: &str) -> Result<Node, YamlError> {
    let mut repaired: Option<String> = None;
    let mut last_line = 0;
    for _ in 0..MAX_REPAIRS {
        let text = repaired.as_deref().unwrap_or(text);
        let line = match parse_strictly(text) {
            Err(error) if error.message.contains(OUTDENTED) && error.line > last_line => error.line,
            result => return result,
        };
        let start: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
        last_line = line;
        repaired = Some([&text[..start], REPAIR, &text[start..]].concat());
    }
    parse_strictly(repaired.as_deref().unwrap_or(text))
}

/// What the parser says of a line in braces that begins too far left.
const OUTDENTED: &str = "invalid indentation";

fn parse_strictly(text: &str) -> Result<Node, YamlError> {
    let mut parser = Parser::new_from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut builder = Builder::default();
    loop {
        let event = next(&mut parser)?;
        match event {
            (Event::StreamEnd, _) => break,
            (Event::StreamStart | Event::DocumentEnd | Event::Nothing, _) => {}
            (Event::DocumentStart(_), span) => {
                if builder.root.is_some() {
                    return Err(error(span, "a second document begins here; a content file holds one"));
                }
            }
            (event, span) => builder.add(event, span)?,
        }
    }
    Ok(builder.root.unwrap_or(Node { line: 1, yaml: Yaml::Null }))
}

fn next<'a>(parser: &mut Parser<'a, StrInput<'a>>) -> Result<(Event<'a>, Span), YamlError> {
    let not_yaml =
        |error: ScanError| YamlError { line: error.marker().line(), message: format!("not YAML: {}", error.info()) };
    parser.next_event().unwrap_or(Ok((Event::StreamEnd, Span::default()))).map_err(not_yaml)
}

fn error(span: Span, message: impl Into<String>) -> YamlError {
    YamlError { line: span.start.line(), message: message.into() }
}

/// Builds the tree from events without recursion.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Node>,
    anchors: Vec<(usize, Node)>,
    nodes: usize,
}

struct Open {
    anchor: usize,
    node: Node,
    /// The key whose value comes next.
    key: Option<Key>,
}

impl Builder {
    fn add(&mut self, event: Event<'_>, span: Span) -> Result<(), YamlError> {
        let line = span.start.line();
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let yaml = scalar(&text, style, tag.as_deref());
                self.finish(anchor, Node { line, yaml }, span)
            }
            Event::SequenceStart(anchor, _) => self.open(anchor, Node { line, yaml: Yaml::List(Vec::new()) }, span),
            Event::MappingStart(anchor, _) => self.open(anchor, Node { line, yaml: Yaml::Map(Vec::new()) }, span),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(()) };
                self.finish(open.anchor, open.node, span)
            }
            Event::Alias(anchor) => {
                let found = self.anchors.iter().rev().find(|(id, _)| *id == anchor);
                let Some((_, node)) = found else { return Err(error(span, "an alias of an anchor that is not there")) };
                let node = node.clone();
                self.nodes += count(&node);
                self.finish(0, node, span)
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, anchor: usize, node: Node, span: Span) -> Result<(), YamlError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(error(span, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.open.push(Open { anchor, node, key: None });
        Ok(())
    }

    fn finish(&mut self, anchor: usize, node: Node, span: Span) -> Result<(), YamlError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(error(span, format!("more than {MAX_NODES} values after its aliases are resolved")));
        }
        if anchor != 0 {
            self.anchors.push((anchor, node.clone()));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match (&mut open.node.yaml, open.key.take()) {
            (Yaml::List(items), _) => items.push(node),
            (Yaml::Map(_), None) => {
                let Some(text) = node.scalar_text() else { return Err(error(span, "a key must be a plain value")) };
                open.key = Some(Key { line: node.line, text });
            }
            (Yaml::Map(pairs), Some(key)) if key.text == "<<" => merge(pairs, node, &key)?,
            (Yaml::Map(pairs), Some(key)) => {
                if let Some((first, _)) = pairs.iter().find(|(other, _)| other.text == key.text && other.line != 0) {
                    let message = format!("the key `{}` is already set on line {}", key.text, first.line);
                    return Err(YamlError { line: key.line, message });
                }
                pairs.retain(|(other, _)| other.text != key.text);
                pairs.push((key, node));
            }
            _ => {}
        }
        Ok(())
    }
}

/// `<<: *other` brings the pairs that the mapping does not set itself; they carry line 0 so that later keys replace them.
fn merge(pairs: &mut Vec<(Key, Node)>, node: Node, key: &Key) -> Result<(), YamlError> {
    let sources = match node.yaml {
        Yaml::List(items) => items,
        _ => vec![node],
    };
    for source in sources {
        let Yaml::Map(merged) = source.yaml else {
            return Err(YamlError { line: key.line, message: "`<<` needs a mapping".to_owned() });
        };
        for (name, value) in merged {
            if !pairs.iter().any(|(has, _)| has.text == name.text) {
                pairs.push((Key { line: 0, text: name.text }, value));
            }
        }
    }
    Ok(())
}

fn count(node: &Node) -> usize {
    1 + match &node.yaml {
        Yaml::List(items) => items.iter().map(count).sum(),
        Yaml::Map(pairs) => pairs.iter().map(|(_, value)| count(value)).sum(),
        _ => 0,
    }
}

impl Node {
    /// The text of a scalar as Python would print it, `None` for null, lists and mappings.
    pub(crate) fn scalar_text(&self) -> Option<String> {
        match &self.yaml {
            Yaml::Bool(value) => Some(value.to_string()),
            Yaml::Int(text) | Yaml::Float(_, text) | Yaml::Text(text) => Some(text.clone()),
            Yaml::Null | Yaml::List(_) | Yaml::Map(_) => None,
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        let Yaml::Map(pairs) = &self.yaml else { return None };
        pairs.iter().find(|(name, _)| name.text == key).map(|(_, value)| value)
    }

    /// What kind of value it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.yaml {
            Yaml::Null => "nothing",
            Yaml::Bool(_) => "true or false",
            Yaml::Int(_) => "a whole number",
            Yaml::Float(..) => "a number",
            Yaml::Text(_) => "text",
            Yaml::List(_) => "a list",
            Yaml::Map(_) => "a mapping",
        }
    }

    /// The same value as JSON; an infinite number has none.
    pub(crate) fn to_json(&self) -> Result<Value, YamlError> {
        Ok(match &self.yaml {
            Yaml::Null => Value::Null,
            Yaml::Bool(value) => Value::Bool(*value),
            Yaml::Int(digits) => Value::Number(Number::from_string_unchecked(digits.clone())),
            Yaml::Float(value, text) => Value::Number(Number::from_f64(*value).ok_or_else(|| YamlError {
                line: self.line,
                message: format!("`{text}` has no place in an event, because JSON cannot hold it"),
            })?),
            Yaml::Text(text) => Value::String(text.clone()),
            Yaml::List(items) => Value::Array(items.iter().map(Self::to_json).collect::<Result<_, _>>()?),
            Yaml::Map(pairs) => {
                let mut object = Map::with_capacity(pairs.len());
                for (key, value) in pairs {
                    object.insert(key.text.clone(), value.to_json()?);
                }
                Value::Object(object)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json(text: &str) -> String {
        parse(text).unwrap().to_json().unwrap().to_string()
    }

    #[test]
    fn structure_lines_and_aliases() {
        let node = parse("a: 1\nb:\n  - &x {k: v}\n  - *x\nc:\n  <<: *x\n  k: own\n").unwrap();
        assert_eq!(node.to_json().unwrap().to_string(), r#"{"a":1,"b":[{"k":"v"},{"k":"v"}],"c":{"k":"own"}}"#);
        assert_eq!(node.get("b").unwrap().line, 3);
        assert_eq!(json(""), "null");
        assert_eq!(json("t:\n  - a: {\n  x: 1\n  }\n    b: [\n1\n]\n"), r#"{"t":[{"a":{"x":1},"b":[1]}]}"#);
        assert_eq!(json("a: |\n  {\n  }\nb: {\n}\n"), r#"{"a":"{\n}\n","b":{}}"#);
        assert_eq!(json("1: a\ntrue: b\n"), r#"{"1":"a","true":"b"}"#);
    }

    #[test]
    fn errors_name_their_line() {
        assert_eq!(parse("a: 1\nb: 2\na: 3\n").unwrap_err().line, 3);
        assert_eq!(parse("a: 1\n---\nb: 2\n").unwrap_err().line, 2);
        assert_eq!(parse("a: 1\nb: [1, 2\nc: 3\n").map_err(|error| error.line > 1), Err(true));
        let bomb: String = std::iter::once("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned())
            .chain((1..9).map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", "))))
            .collect();
        assert!(parse(&bomb).unwrap_err().message.contains("aliases"));
        assert!(parse(&"[".repeat(500)).is_err());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_filter_map("finite", |number| Number::from_f64(number).map(Value::Number)),
            "[ -~äß€\n\t]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map("[a-zA-Z_.: #-]{1,8}", inner, 0..6)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn json_is_yaml(value in any_json()) {
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            for text in [value.to_string(), format!("Log:\n  {pretty}").replace('\n', "\n  ")] {
                let read = parse(&text).unwrap();
                let read = read.get("Log").filter(|_| text.starts_with("Log")).unwrap_or(&read).to_json().unwrap();
                prop_assert_eq!(read, value.clone());
            }
        }

        #[test]
        fn no_text_panics(text in "[-a:{}\\[\\], \n\"'&*|>#?!%@`0-9\t]{0,60}") {
            let _ = parse(&text).map(|node| node.to_json());
        }
    }
}
