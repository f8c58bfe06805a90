//! YAML to [`SchemaSpec`]: every key is known or refused, and all mistakes of a file are reported at once.

mod cases;
mod field;
mod parser;
mod udm;
mod value;

use uncia_model::LogType;

pub use cases::TestCase;
pub(crate) use cases::read_cases;

use super::error::{SchemaError, nearest};
use super::spec::{FieldSpec, Sample, SchemaSpec};
use super::yaml::{Content, Node, load};

/// Reads one schema file.
pub(crate) fn read(file: &str, text: &str) -> Result<SchemaSpec, Vec<SchemaError>> {
    let loaded = load(text);
    let mut reader = Reader { file, path: Vec::new(), definitions: &[], refs: Vec::new(), errors: Vec::new() };
    let root = match &loaded {
        Ok(root) => root,
        Err(error) => {
            reader.error(error.line, format!("not YAML: {}", error.message));
            return Err(reader.errors);
        }
    };
    match reader.schema(root) {
        Some(spec) if reader.errors.is_empty() => Ok(spec),
        _ => Err(reader.errors),
    }
}

/// The samples of a schema file.
pub(crate) fn read_samples(file: &str, text: &str) -> Result<Vec<Sample>, Vec<SchemaError>> {
    read(file, text).map(|spec| spec.samples)
}

/// Reads a field that was discovered.
pub(crate) fn read_field(field: &serde_json::Value) -> Option<FieldSpec> {
    // JSON is YAML.
    let root = load(&format!("[{field}]")).ok()?;
    let mut reader =
        Reader { file: "discovered fields", path: Vec::new(), definitions: &[], refs: Vec::new(), errors: Vec::new() };
    let mut field = reader.fields(&root, true)?.pop()?;
    field.is_discovered = true;
    reader.errors.is_empty().then_some(field)
}

/// Where the reader stands, and what it found wrong so far. A method that returns `None` has reported why.
struct Reader<'a> {
    file: &'a str,
    path: Vec<String>,
    definitions: &'a [(Node, Node)],
    /// Names of the refs that are being resolved, outermost first.
    refs: Vec<&'a str>,
    errors: Vec<SchemaError>,
}

const SCHEMA_KEYS: &[&str] = &[
    "schema",
    "version",
    "description",
    "referenceURL",
    "fieldDiscoveryEnabled",
    "parser",
    "udm",
    "definitions",
    "fields",
    "samples",
];

impl<'a> Reader<'a> {
    fn schema(&mut self, root: &'a Node) -> Option<SchemaSpec> {
        let pairs = self.mapping(root)?;
        for (key, _) in pairs {
            self.known_key(key, SCHEMA_KEYS);
        }
        if let Some((key, definitions)) = entry(pairs, "definitions") {
            self.definitions = self.within("definitions", |r| r.mapping(definitions)).unwrap_or_default();
            for (name, _) in self.definitions {
                let text = name.text().unwrap_or_default();
                let good = text.len() > 1
                    && text.starts_with(|c: char| c.is_ascii_uppercase())
                    && text.bytes().all(|b| b.is_ascii_alphanumeric());
                if !good {
                    self.error(
                        key.line,
                        format!("definition `{text}`: a name is an upper-case letter, then letters and digits"),
                    );
                }
            }
        }
        if let Some((key, version)) = entry(pairs, "version")
            && version.text() != Some("0")
        {
            self.error(key.line, "version: only 0 is known");
        }
        let field_discovery = match entry(pairs, "fieldDiscoveryEnabled") {
            Some((_, node)) => self.within("fieldDiscoveryEnabled", |r| r.boolean(node)),
            None => Some(false),
        };
        let udm = match entry(pairs, "udm") {
            Some((_, node)) => self.within("udm", |r| r.udm(node)),
            None => Some(Vec::new()),
        };
        let log_type = match entry(pairs, "schema") {
            Some((_, node)) => self.within("schema", |r| r.log_type(node)),
            None => self.missing(root, "schema"),
        };
        let fields = match entry(pairs, "fields") {
            Some((_, node)) => self.within("fields", |r| r.fields(node, true)),
            None => self.missing(root, "fields"),
        };
        let description =
            entry(pairs, "description").and_then(|(_, node)| self.within("description", |r| r.string(node)));
        let reference =
            entry(pairs, "referenceURL").and_then(|(_, node)| self.within("referenceURL", |r| r.string(node)));
        let samples = match entry(pairs, "samples") {
            Some((_, node)) => self.within("samples", |r| r.samples(node)),
            None => Some(Vec::new()),
        };
        let parser = match (entry(pairs, "parser"), &fields) {
            (Some((_, node)), fields) => {
                let fields = fields.as_deref().unwrap_or_default();
                self.within("parser", |r| r.parser(node, fields)).map(|parser| Some(parser.into()))
            }
            (None, _) => Some(None),
        };
        self.unused_definitions();
        Some(SchemaSpec {
            log_type: log_type?,
            line: root.line,
            description: description.unwrap_or_default().trim().to_owned(),
            reference,
            fields: fields?,
            parser: parser?,
            udm: udm?,
            field_discovery: field_discovery?,
            samples: samples?,
        })
    }

    /// Definitions that no field uses are read all the same, for their mistakes.
    fn unused_definitions(&mut self) {
        let known = self.errors.len();
        for (name, node) in self.definitions {
            let name = name.text().unwrap_or_default();
            self.refs.push(name);
            self.path.push(format!("definitions.{name}"));
            if let Some(pairs) = self.mapping(node) {
                self.value(node, pairs, value::Place::Definition);
            }
            self.path.pop();
            self.refs.pop();
        }
        // A definition that is used has been read at its use.
        let (before, after) = self.errors.split_at(known);
        let fresh: Vec<SchemaError> = after
            .iter()
            .filter(|error| !before.iter().any(|b| b.line == error.line && b.message == error.message))
            .cloned()
            .collect();
        self.errors.truncate(known);
        self.errors.extend(fresh);
    }

    fn log_type(&mut self, node: &Node) -> Option<LogType> {
        let name = self.string(node)?;
        let parts: Vec<&str> = name.split('.').collect();
        let alphanumeric = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric());
        let good = (2..=4).contains(&parts.len())
            && name.len() <= 255
            && name.starts_with(|c: char| c.is_ascii_uppercase())
            && parts.iter().all(alphanumeric);
        if !good {
            self.error(
                node.line,
                format!("`{name}` is no log type: two to four parts of letters and digits, as in `Vendor.Product`"),
            );
            return None;
        }
        Some(LogType::from(name))
    }

    fn samples(&mut self, node: &'a Node) -> Option<Vec<Sample>> {
        let mut samples: Vec<Sample> = Vec::new();
        for (place, node) in self.sequence(node)?.iter().enumerate() {
            let sample = self.within(&format!("[{place}]"), |r| {
                let pairs = r.mapping(node)?;
                for (key, _) in pairs {
                    r.known_key(key, &["name", "raw", "expected"]);
                }
                let name = r.required_string(node, pairs, "name")?;
                let raw = r.required_string(node, pairs, "raw")?;
                let Some((key, expected)) = entry(pairs, "expected") else { return r.missing(node, "expected") };
                // JSON text is as good as YAML.
                let expected = match expected.text() {
                    Some(text) => serde_json::from_str(text).ok(),
                    None => Some(expected.to_json()),
                };
                let Some(expected @ serde_json::Value::Object(_)) = expected else {
                    r.error(key.line, "expected: must be the event as a mapping");
                    return None;
                };
                Some(Sample { name, raw, expected, line: node.line })
            });
            let Some(sample) = sample else { continue };
            if samples.iter().any(|earlier| earlier.name == sample.name) {
                self.error(node.line, format!("a second sample named `{}`", sample.name));
            }
            samples.push(sample);
        }
        Some(samples)
    }

    fn within<T>(&mut self, part: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(part.to_owned());
        let result = read(self);
        self.path.pop();
        result
    }

    fn error(&mut self, line: usize, message: impl Into<String>) {
        self.report(line, message.into(), None);
    }

    fn report(&mut self, line: usize, message: String, hint: Option<String>) {
        let mut path = String::new();
        for part in &self.path {
            if !path.is_empty() && !part.starts_with('[') {
                path.push('.');
            }
            path.push_str(part);
        }
        self.errors.push(SchemaError { file: self.file.to_owned(), line, path, message, hint });
    }

    fn missing<T>(&mut self, node: &Node, key: &str) -> Option<T> {
        self.error(node.line, format!("key `{key}` is missing"));
        None
    }

    fn known_key(&mut self, key: &Node, known: &[&str]) {
        let text = key.text().unwrap_or_default();
        if !known.contains(&text) {
            let hint = nearest(text, known).or_else(|| Some(format!("known are {}", known.join(", "))));
            self.report(key.line, format!("unknown key `{text}`"), hint);
        }
    }

    fn mapping(&mut self, node: &'a Node) -> Option<&'a [(Node, Node)]> {
        match &node.content {
            Content::Mapping(pairs) => Some(pairs),
            _ => self.expected(node, "a mapping"),
        }
    }

    fn sequence(&mut self, node: &'a Node) -> Option<&'a [Node]> {
        match &node.content {
            Content::Sequence(items) => Some(items),
            _ => self.expected(node, "a list"),
        }
    }

    fn string(&mut self, node: &Node) -> Option<String> {
        match node.text() {
            Some(text) if !node.is_null() => Some(text.to_owned()),
            _ => self.expected(node, "a string"),
        }
    }

    fn boolean(&mut self, node: &Node) -> Option<bool> {
        match node.as_bool() {
            Some(value) => Some(value),
            None => self.expected(node, "true or false"),
        }
    }

    fn expected<T>(&mut self, node: &Node, what: &str) -> Option<T> {
        self.error(node.line, format!("expected {what}, found {}", node.noun()));
        None
    }

    fn required_string(&mut self, node: &Node, pairs: &[(Node, Node)], key: &str) -> Option<String> {
        match entry(pairs, key) {
            Some((_, value)) => self.within(key, |r| r.string(value)),
            None => self.missing(node, key),
        }
    }
}

fn entry<'a>(pairs: &'a [(Node, Node)], key: &str) -> Option<(&'a Node, &'a Node)> {
    pairs.iter().find(|(name, _)| name.text() == Some(key)).map(|(key, value)| (key, value))
}

#[cfg(test)]
mod tests;
