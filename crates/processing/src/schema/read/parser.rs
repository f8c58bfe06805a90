//! `parser`: how the records of a log type that are not JSON are taken apart.

use super::{Reader, entry};
use crate::parsers::{Csv, Fastmatch, Format, Native, Pattern, RegexParser, Script, Template, TextOptions, TextParser};
use crate::schema::error::nearest;
use crate::schema::spec::FieldSpec;
use crate::schema::yaml::Node;

const KINDS: &[&str] = &["csv", "fastmatch", "regex", "script", "native", "xml"];
const WINDOWS_EVENT: &str = "windows_event";
const COMMON_KEYS: &[&str] = &["skipLines", "skipPrefix", "trimSpace", "emptyValues", "expandFields"];

type Pairs = [(Node, Node)];

impl<'a> Reader<'a> {
    pub(super) fn parser(&mut self, node: &'a Node, fields: &[FieldSpec]) -> Option<TextParser> {
        let pairs = self.mapping(node)?;
        for (key, _) in pairs {
            self.known_key(key, KINDS);
        }
        let [(key, settings)] = pairs else {
            self.error(node.line, "a schema has exactly one parser");
            return None;
        };
        let kind = key.text().unwrap_or_default();
        self.within(kind, |r| {
            let settings = r.mapping(settings)?;
            let options = r.text_options(settings)?;
            let mut columns = Vec::new();
            let format = match kind {
                "csv" => Format::Csv(r.csv(node, settings, fields, &mut columns)?),
                "fastmatch" => Format::Fastmatch(r.fastmatch(node, settings, &mut columns)?),
                "regex" => Format::Regex(r.regex(node, settings, &mut columns)?),
                "script" => Format::Script(r.script(node, settings)?),
                "native" => r.native(node, settings, &mut columns)?,
                "xml" => {
                    r.settings_keys(settings, &[]);
                    Format::Xml
                }
                _ => return None,
            };
            Some(TextParser { format, options, columns: columns.into() })
        })
    }

    fn settings_keys(&mut self, settings: &'a Pairs, own: &[&'static str]) {
        let known: Vec<&str> = own.iter().chain(COMMON_KEYS).copied().collect();
        for (key, _) in settings {
            self.known_key(key, &known);
        }
    }

    fn text_options(&mut self, settings: &'a Pairs) -> Option<TextOptions> {
        let mut options = TextOptions::default();
        if let Some((key, node)) = entry(settings, "skipLines") {
            match node.text().and_then(|text| text.parse().ok()) {
                Some(count) => options.skip_lines = count,
                None => {
                    self.error(key.line, "skipLines: expected a number of lines");
                    return None;
                }
            }
        }
        if let Some((_, node)) = entry(settings, "skipPrefix") {
            let prefix = self.within("skipPrefix", |r| r.string(node))?;
            options.skip_prefix = (!prefix.is_empty()).then(|| prefix.into());
        }
        if let Some((_, node)) = entry(settings, "trimSpace") {
            options.trim_space = self.within("trimSpace", |r| r.boolean(node))?;
        }
        if let Some((_, node)) = entry(settings, "emptyValues") {
            options.empty_values = self.within("emptyValues", |r| r.texts(node))?.into();
        }
        if let Some((_, node)) = entry(settings, "expandFields") {
            options.expand = self.within("expandFields", |r| r.templates(node))?.into();
        }
        Some(options)
    }

    fn templates(&mut self, node: &'a Node) -> Option<Vec<Template>> {
        let mut templates = Vec::new();
        for (name, text) in self.mapping(node)? {
            let text_line = text.line;
            let text = self.string(text)?;
            match Template::compile(name.text().unwrap_or_default(), &text) {
                Ok(template) => templates.push(template),
                Err(message) => {
                    self.error(text_line, message);
                    return None;
                }
            }
        }
        Some(templates)
    }

    fn csv(
        &mut self,
        node: &Node,
        settings: &'a Pairs,
        fields: &[FieldSpec],
        columns: &mut Vec<Box<str>>,
    ) -> Option<Csv> {
        self.settings_keys(settings, &["delimiter", "hasHeader", "columns"]);
        let delimiter = match entry(settings, "delimiter") {
            None => ',',
            Some((key, node)) => match self.within("delimiter", |r| r.string(node))?.chars().next() {
                Some(delimiter) if delimiter != '"' => delimiter,
                _ => {
                    self.error(key.line, "delimiter: one character that is no quote");
                    return None;
                }
            },
        };
        let has_header = match entry(settings, "hasHeader") {
            Some((_, node)) => self.within("hasHeader", |r| r.boolean(node))?,
            None => false,
        };
        let has_columns = match entry(settings, "columns") {
            Some((_, node)) => {
                *columns = self.within("columns", |r| r.texts(node))?;
                true
            }
            None if has_header => false,
            None => {
                self.error(
                    node.line,
                    "either `hasHeader: true` or `columns` is needed: something must name the columns",
                );
                return None;
            }
        };
        if columns.len() > usize::from(u16::MAX) {
            self.error(node.line, "too many columns");
            return None;
        }
        let required =
            fields.iter().filter(|field| field.required).filter_map(FieldSpec::source).map(Box::from).collect();
        Some(Csv { delimiter, has_header, has_columns, required })
    }

    fn fastmatch(&mut self, node: &Node, settings: &'a Pairs, columns: &mut Vec<Box<str>>) -> Option<Fastmatch> {
        self.settings_keys(settings, &["match"]);
        let mut patterns = Vec::new();
        for (line, text) in self.fragments(node, settings)? {
            match Pattern::compile(&text, columns) {
                Ok(pattern) => patterns.push(pattern),
                Err(message) => self.error(line, message),
            }
        }
        (!patterns.is_empty()).then(|| Fastmatch { patterns: patterns.into() })
    }

    fn regex(&mut self, node: &Node, settings: &'a Pairs, columns: &mut Vec<Box<str>>) -> Option<RegexParser> {
        // The second spelling is what Panther's own schema of schemas says.
        const DEFINITIONS: [&str; 2] = ["patternDefinitions", "patternDefintions"];
        self.settings_keys(settings, &["match", DEFINITIONS[0], DEFINITIONS[1]]);
        let mut definitions = Vec::new();
        for key in DEFINITIONS {
            let Some((_, node)) = entry(settings, key) else { continue };
            self.within(key, |r| {
                for (name, text) in r.mapping(node)? {
                    definitions.push((name.text().unwrap_or_default().to_owned(), r.string(text)?));
                }
                Some(())
            })?;
        }
        let fragments = self.fragments(node, settings)?;
        let line = fragments.first().map_or(node.line, |(line, _)| *line);
        let pattern: String = fragments.into_iter().map(|(_, text)| text).collect();
        match RegexParser::compile(&pattern, &definitions, columns) {
            Ok(regex) => Some(regex),
            Err(message) => {
                self.error(line, message);
                None
            }
        }
    }

    fn script(&mut self, node: &Node, settings: &'a Pairs) -> Option<Script> {
        self.settings_keys(settings, &["function"]);
        let source = self.required_string(node, settings, "function")?;
        let line = entry(settings, "function").map_or(node.line, |(key, _)| key.line);
        match Script::compile(&source) {
            Ok(script) => Some(script),
            Err(message) => {
                self.error(line, message);
                None
            }
        }
    }

    fn native(&mut self, node: &Node, settings: &'a Pairs, columns: &mut Vec<Box<str>>) -> Option<Format> {
        let name = self.required_string(node, settings, "name")?;
        let own: &[&str] = if name == "keyvalue" { &["name", "delimiter", "separator"] } else { &["name"] };
        self.settings_keys(settings, own);
        if name == WINDOWS_EVENT {
            return Some(Format::WindowsEvent);
        }
        let Some(native) = Native::named(&name) else {
            let names: Vec<&str> = Native::NAMES.iter().copied().chain([WINDOWS_EVENT]).collect();
            let hint = nearest(&name, &names).or_else(|| Some(format!("known are {}", names.join(", "))));
            self.report(node.line, format!("unknown native parser `{name}`"), hint);
            return None;
        };
        *columns = native.columns();
        let Native::KeyValue(mut keys) = native else { return Some(Format::Native(native)) };
        let text = |key: &str| entry(settings, key).and_then(|(_, node)| node.text()).filter(|text| !text.is_empty());
        keys.delimiter = text("delimiter").map(Box::from);
        if let Some(separator) = text("separator") {
            keys.separator = separator.into();
        }
        Some(Format::Native(Native::KeyValue(keys)))
    }

    /// `match`: a list of texts, or one.
    fn fragments(&mut self, node: &Node, settings: &'a Pairs) -> Option<Vec<(usize, String)>> {
        let Some((_, list)) = entry(settings, "match") else { return self.missing(node, "match") };
        self.within("match", |r| {
            if list.text().is_some() {
                return Some(vec![(list.line, r.string(list)?)]);
            }
            let nodes = r.sequence(list)?;
            if nodes.is_empty() {
                r.error(list.line, "at least one pattern is needed");
                return None;
            }
            nodes.iter().map(|node| Some((node.line, r.string(node)?))).collect()
        })
    }

    /// A list of texts, which may be empty ones.
    fn texts(&mut self, node: &'a Node) -> Option<Vec<Box<str>>> {
        let mut texts = Vec::new();
        for node in self.sequence(node)? {
            match node.text() {
                Some(text) => texts.push(text.into()),
                None => return self.expected(node, "a string"),
            }
        }
        Some(texts)
    }
}
