//! YAML with line numbers: schema files are written by people, and an error without its line is half an error.
//!
//! serde keeps no places once a value is read, and most mistakes in a schema (an unknown `ref`, two equal columns) show
//! only later. So files are loaded into a small tree that remembers each node's line.

use saphyr_parser::{Event, Parser, ScalarStyle};

/// Aliases are copied; a file that unfolds beyond this is refused.
const MAX_NODES: usize = 200_000;
const MAX_DEPTH: usize = 200;

/// A YAML node and the line it starts on, from 1.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) content: Content,
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// `plain`: without quotes, so that `true` and `12` mean what they look like.
    Scalar {
        text: String,
        plain: bool,
    },
    Sequence(Vec<Node>),
    Mapping(Vec<(Node, Node)>),
}

/// Why a text is no YAML, and on which line.
#[derive(Debug)]
pub(crate) struct YamlError {
    pub(crate) line: usize,
    pub(crate) message: String,
}

/// Loads the one document of a file.
pub(crate) fn load(text: &str) -> Result<Node, YamlError> {
    let mut loader = Loader { parser: Parser::new_from_str(text), anchors: Vec::new(), nodes: 0 };
    let root = loader.document()?;
    match loader.next()? {
        (Event::StreamEnd, _) => Ok(root),
        (_, line) => Err(YamlError { line, message: "a second document: a file holds one schema".to_owned() }),
    }
}

struct Loader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    anchors: Vec<(usize, Node)>,
    nodes: usize,
}

impl<'a> Loader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, usize), YamlError> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, span.start.line())),
            Some(Err(error)) => Err(YamlError { line: error.marker().line(), message: error.info().to_owned() }),
            None => Ok((Event::StreamEnd, 0)),
        }
    }

    fn document(&mut self) -> Result<Node, YamlError> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
                (Event::StreamEnd, line) => {
                    return Err(YamlError { line: line.max(1), message: "the file is empty".to_owned() });
                }
                (event, line) => {
                    let root = self.node(event, line, 0)?;
                    match self.next()? {
                        (Event::DocumentEnd, _) => return Ok(root),
                        (_, line) => return Err(YamlError { line, message: "unexpected content".to_owned() }),
                    }
                }
            }
        }
    }

    fn node(&mut self, event: Event<'a>, line: usize, depth: usize) -> Result<Node, YamlError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES || depth > MAX_DEPTH {
            return Err(YamlError { line, message: "the file is too large or nested too deeply".to_owned() });
        }
        let (content, anchor) = match event {
            Event::Scalar(text, style, anchor, _) => {
                (Content::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain }, anchor)
            }
            Event::SequenceStart(anchor, _) => (self.sequence(depth)?, anchor),
            Event::MappingStart(anchor, _) => (self.mapping(depth)?, anchor),
            Event::Alias(anchor) => return self.alias(anchor, line),
            _ => return Err(YamlError { line, message: "unexpected end of the document".to_owned() }),
        };
        let node = Node { line, content };
        if anchor != 0 {
            self.anchors.push((anchor, node.clone()));
        }
        Ok(node)
    }

    fn sequence(&mut self, depth: usize) -> Result<Content, YamlError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Content::Sequence(items)),
                (event, line) => items.push(self.node(event, line, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Content, YamlError> {
        let mut pairs: Vec<(Node, Node)> = Vec::new();
        loop {
            let (event, line) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Content::Mapping(pairs));
            }
            let key = self.node(event, line, depth + 1)?;
            let Some(name) = key.text() else {
                return Err(YamlError { line, message: "a key must be plain text".to_owned() });
            };
            if pairs.iter().any(|(earlier, _)| earlier.text() == Some(name)) {
                return Err(YamlError { line, message: format!("key `{name}` appears twice") });
            }
            let (event, line) = self.next()?;
            let value = self.node(event, line, depth + 1)?;
            pairs.push((key, value));
        }
    }

    fn alias(&mut self, anchor: usize, line: usize) -> Result<Node, YamlError> {
        let Some((_, node)) = self.anchors.iter().rev().find(|(id, _)| *id == anchor) else {
            return Err(YamlError { line, message: "an alias refers to an anchor that contains it".to_owned() });
        };
        let copy = node.clone();
        self.nodes += copy.count();
        if self.nodes > MAX_NODES {
            return Err(YamlError { line, message: "aliases unfold without end".to_owned() });
        }
        Ok(copy)
    }
}

impl Node {
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.content, Content::Scalar { text, plain: true } if matches!(&**text, "" | "~" | "null"))
    }

    pub(crate) fn as_bool(&self) -> Option<bool> {
        match &self.content {
            Content::Scalar { text, plain: true } => match &**text {
                "true" | "True" | "TRUE" => Some(true),
                "false" | "False" | "FALSE" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// What the node is, for messages.
    pub(crate) fn noun(&self) -> &'static str {
        match self.content {
            Content::Scalar { .. } if self.is_null() => "nothing",
            Content::Scalar { .. } => "a scalar",
            Content::Sequence(_) => "a list",
            Content::Mapping(_) => "a mapping",
        }
    }

    /// The node as JSON; plain scalars that look like JSON numbers keep their literal.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.content {
            Content::Sequence(items) => items.iter().map(Self::to_json).collect(),
            Content::Mapping(pairs) => pairs
                .iter()
                .map(|(key, value)| (key.text().unwrap_or_default().to_owned(), value.to_json()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            Content::Scalar { .. } if self.is_null() => serde_json::Value::Null,
            Content::Scalar { text, plain } => {
                if let Some(value) = self.as_bool() {
                    return value.into();
                }
                if *plain && let Ok(number) = text.parse::<serde_json::Number>() {
                    return number.into();
                }
                text.as_str().into()
            }
        }
    }

    fn count(&self) -> usize {
        match &self.content {
            Content::Scalar { .. } => 1,
            Content::Sequence(items) => 1 + items.iter().map(Self::count).sum::<usize>(),
            Content::Mapping(pairs) => 1 + pairs.iter().map(|(_, value)| 1 + value.count()).sum::<usize>(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_keep_their_kind_and_line() {
        let root = load("a: 1\nb: '1'\nc: [true, ~, 1.50, x]\nd: &k {e: f}\ng: *k\n").unwrap();
        assert_eq!(
            root.to_json().to_string(),
            r#"{"a":1,"b":"1","c":[true,null,1.50,"x"],"d":{"e":"f"},"g":{"e":"f"}}"#
        );
        let Content::Mapping(pairs) = root.content else { panic!() };
        assert_eq!(pairs.iter().map(|(key, _)| key.line).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn errors_have_lines() {
        for (text, line, message) in [
            ("", 1, "the file is empty"),
            ("a: 1\na: 2\n", 2, "key `a` appears twice"),
            ("a: 1\n---\nb: 1\n", 2, "a second document: a file holds one schema"),
        ] {
            let error = load(text).unwrap_err();
            assert_eq!((error.line, &*error.message), (line, message), "{text:?}");
        }
        assert_eq!(load("a: [1\nb: 2").unwrap_err().line, 2);
        let bomb: String = (1..30).map(|n| format!("k{n}: &a{n} [*a{0}, *a{0}]\n", n - 1)).collect();
        assert!(load(&format!("k0: &a0 x\n{bomb}")).unwrap_err().message.contains("without end"));
    }
}
