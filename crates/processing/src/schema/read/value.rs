//! Values: a type and the keys that go with it.

use super::{Reader, entry};
use crate::indicators::Scanner;
use crate::schema::error::nearest;
use crate::schema::spec::{KindSpec, ValueSpec};
use crate::schema::validate::{Family, Validate};
use crate::schema::yaml::Node;
use crate::time::{self, TimeFormat};

/// Refs and nesting together may go this deep.
const MAX_LEVELS: usize = 64;

const TYPES: &[&str] =
    &["string", "smallint", "int", "bigint", "float", "boolean", "timestamp", "array", "object", "json", "ref"];

const VALUE_KEYS: &[&str] = &[
    "type",
    "fields",
    "element",
    "target",
    "timeFormats",
    "timeFormat",
    "timeZone",
    "isEventTime",
    "isExpiration",
    "indicators",
    "validate",
    "isEmbeddedJSON",
    "description",
];
const FIELD_KEYS: &[&str] = &["name", "required", "rename", "copy", "concat", "split", "mask"];

/// What holds the value; it decides which further keys may stand beside the value's own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Field,
    Element,
    Definition,
}

impl<'a> Reader<'a> {
    pub(super) fn value(&mut self, node: &'a Node, pairs: &'a [(Node, Node)], place: Place) -> Option<ValueSpec> {
        if self.path.len() > 2 * MAX_LEVELS || self.refs.len() > MAX_LEVELS {
            self.error(node.line, format!("nested deeper than {MAX_LEVELS} levels"));
            return None;
        }
        self.value_keys(pairs, place);
        let type_name = self.required_string(node, pairs, "type")?;
        if type_name == "ref" {
            return self.reference(node, pairs);
        }
        let kind = self.kind(&type_name, node, pairs);
        self.misplaced_keys(&type_name, pairs);
        let indicators = self.indicators(pairs);
        let validate = match entry(pairs, "validate") {
            Some((_, node)) => self.within("validate", |r| r.validate(node)).map(Some),
            None => Some(None),
        };
        let is_embedded_json = self.flag(pairs, "isEmbeddedJSON");
        let is_event_time = self.flag(pairs, "isEventTime");
        let is_expiration = self.flag(pairs, "isExpiration");
        Some(ValueSpec {
            kind: kind?,
            indicators: indicators?,
            validate: validate?,
            is_embedded_json: is_embedded_json?,
            is_event_time: is_event_time?,
            is_expiration: is_expiration?,
        })
    }

    fn value_keys(&mut self, pairs: &[(Node, Node)], place: Place) {
        let known: Vec<&str> = match place {
            Place::Field => VALUE_KEYS.iter().chain(FIELD_KEYS).copied().collect(),
            Place::Element | Place::Definition => VALUE_KEYS.to_vec(),
        };
        for (key, _) in pairs {
            self.known_key(key, &known);
        }
    }

    fn kind(&mut self, type_name: &str, node: &'a Node, pairs: &'a [(Node, Node)]) -> Option<KindSpec> {
        Some(match type_name {
            "string" => KindSpec::String,
            "smallint" => KindSpec::SmallInt,
            "int" => KindSpec::Int,
            "bigint" => KindSpec::BigInt,
            "float" => KindSpec::Float,
            "boolean" => KindSpec::Boolean,
            "json" => KindSpec::Json,
            "timestamp" => self.timestamp(node, pairs)?,
            "array" => {
                let Some((_, element)) = entry(pairs, "element") else { return self.missing(node, "element") };
                let element = self.within("element", |r| {
                    let pairs = r.mapping(element)?;
                    r.value(element, pairs, Place::Element)
                });
                KindSpec::Array(Box::new(element?))
            }
            "object" => {
                let Some((_, fields)) = entry(pairs, "fields") else { return self.missing(node, "fields") };
                KindSpec::Object(self.within("fields", |r| r.fields(fields, false))?)
            }
            _ => {
                let line = entry(pairs, "type").map_or(node.line, |(key, _)| key.line);
                let hint = nearest(type_name, TYPES).or_else(|| Some(format!("known are {}", TYPES.join(", "))));
                self.report(line, format!("unknown type `{type_name}`"), hint);
                return None;
            }
        })
    }

    fn timestamp(&mut self, node: &'a Node, pairs: &'a [(Node, Node)]) -> Option<KindSpec> {
        let (key, formats) = match (entry(pairs, "timeFormats"), entry(pairs, "timeFormat")) {
            (Some((key, list)), None) => (key, self.within("timeFormats", |r| r.sequence(list))?),
            (None, Some((key, one))) => (key, std::slice::from_ref(one)),
            (Some((key, _)), Some(_)) => {
                self.error(key.line, "either `timeFormats` or `timeFormat`, not both");
                return None;
            }
            (None, None) => return self.missing(node, "timeFormats"),
        };
        if formats.is_empty() {
            self.error(key.line, "timeFormats: at least one format is needed");
            return None;
        }
        let mut compiled = Vec::new();
        for format in formats {
            let text = self.string(format)?;
            match TimeFormat::compile(&text) {
                Ok(format) => compiled.push(format),
                Err(message) => {
                    let known = || {
                        Some(format!("known are {} and strftime formats such as `%Y-%m-%d`", time::NAMED.join(", ")))
                    };
                    let hint = if text.contains('%') { None } else { nearest(&text, time::NAMED).or_else(known) };
                    self.report(format.line, message, hint);
                }
            }
        }
        let offset = match entry(pairs, "timeZone") {
            None => 0,
            Some((key, zone)) => {
                let text = self.string(zone)?;
                match time::offset_text(&text) {
                    Some(offset) => offset,
                    None => {
                        self.error(key.line, format!("`{text}` is no timeZone: `UTC` or an offset such as `-06:00`"));
                        return None;
                    }
                }
            }
        };
        (compiled.len() == formats.len()).then_some(KindSpec::Timestamp { formats: compiled, offset })
    }

    /// `type: ref`: the target's value; indicators, validation and flags beside the ref are added to it.
    fn reference(&mut self, node: &'a Node, pairs: &'a [(Node, Node)]) -> Option<ValueSpec> {
        for (key, _) in pairs {
            let text = key.text().unwrap_or_default();
            if matches!(text, "fields" | "element" | "timeFormats" | "timeFormat" | "timeZone") {
                self.error(key.line, format!("`{text}` belongs into the definition, not beside the ref"));
            }
        }
        let target = self.required_string(node, pairs, "target")?;
        let line = entry(pairs, "target").map_or(node.line, |(key, _)| key.line);
        let definitions = self.definitions;
        let Some((name, definition)) = entry(definitions, &target) else {
            let names: Vec<&str> = definitions.iter().filter_map(|(name, _)| name.text()).collect();
            self.report(line, format!("no definition is named `{target}`"), nearest(&target, &names));
            return None;
        };
        let name = name.text().unwrap_or_default();
        if let Some(first) = self.refs.iter().position(|earlier| *earlier == name) {
            let cycle: Vec<&str> = self.refs[first..].iter().copied().chain([name]).collect();
            self.error(line, format!("definitions refer to each other in a circle: {}", cycle.join(" -> ")));
            return None;
        }
        self.refs.push(name);
        let value = self.mapping(definition).and_then(|pairs| self.value(definition, pairs, Place::Definition));
        self.refs.pop();
        let mut value = value?;
        value.indicators.extend(self.indicators(pairs)?);
        value.is_embedded_json |= self.flag(pairs, "isEmbeddedJSON")?;
        value.is_event_time |= self.flag(pairs, "isEventTime")?;
        value.is_expiration |= self.flag(pairs, "isExpiration")?;
        if let Some((_, node)) = entry(pairs, "validate") {
            value.validate = Some(self.within("validate", |r| r.validate(node))?);
        }
        Some(value)
    }

    /// Keys that mean nothing for this type are mistakes, not decoration.
    fn misplaced_keys(&mut self, type_name: &str, pairs: &[(Node, Node)]) {
        let allowed = |key: &str| match key {
            "fields" => type_name == "object",
            "element" => type_name == "array",
            "target" => false,
            "timeFormats" | "timeFormat" | "timeZone" | "isEventTime" | "isExpiration" => type_name == "timestamp",
            "indicators" => !matches!(type_name, "array" | "object" | "timestamp"),
            "validate" => matches!(type_name, "string" | "smallint" | "int" | "bigint"),
            "isEmbeddedJSON" => matches!(type_name, "object" | "array" | "json"),
            _ => true,
        };
        for (key, _) in pairs {
            let text = key.text().unwrap_or_default();
            if allowed(text) || !TYPES.contains(&type_name) {
                continue;
            }
            let hint = match text {
                "indicators" if type_name == "array" => Some("put them on the `element`".to_owned()),
                _ => None,
            };
            self.report(key.line, format!("`{text}` has no meaning for type `{type_name}`"), hint);
        }
    }

    fn flag(&mut self, pairs: &'a [(Node, Node)], key: &str) -> Option<bool> {
        match entry(pairs, key) {
            Some((_, node)) => self.within(key, |r| r.boolean(node)),
            None => Some(false),
        }
    }

    fn indicators(&mut self, pairs: &'a [(Node, Node)]) -> Option<Vec<Scanner>> {
        let Some((_, node)) = entry(pairs, "indicators") else { return Some(Vec::new()) };
        self.within("indicators", |r| {
            let mut scanners = Vec::new();
            for node in r.sequence(node)? {
                let name = r.string(node)?;
                let Some(scanner) = Scanner::parse(&name) else {
                    let names = Scanner::names();
                    let hint = nearest(&name, &names).or_else(|| Some(format!("known are {}", names.join(", "))));
                    r.report(node.line, format!("unknown indicator `{name}`"), hint);
                    return None;
                };
                if !scanners.contains(&scanner) {
                    scanners.push(scanner);
                }
            }
            Some(scanners)
        })
    }

    fn validate(&mut self, node: &'a Node) -> Option<Validate> {
        let mut validate = Validate::default();
        for (key, value) in self.mapping(node)? {
            let text = key.text().unwrap_or_default();
            match text {
                "allow" => validate.allow = self.words(value)?,
                "deny" => validate.deny = self.words(value)?,
                "allowContains" => validate.allow_contains = self.words(value)?,
                "denyContains" => validate.deny_contains = self.words(value)?,
                "ip" => validate.ip = Some(self.family(value)?),
                "cidr" => validate.cidr = Some(self.family(value)?),
                _ => self.known_key(key, &["allow", "deny", "allowContains", "denyContains", "ip", "cidr"]),
            }
        }
        Some(validate)
    }

    fn words(&mut self, node: &'a Node) -> Option<Vec<Box<str>>> {
        let mut words = Vec::new();
        for word in self.sequence(node)? {
            let text = self.string(word)?;
            if text.is_empty() {
                self.error(word.line, "an empty entry");
                return None;
            }
            words.push(text.into());
        }
        if words.is_empty() {
            self.error(node.line, "the list is empty");
            return None;
        }
        Some(words)
    }

    fn family(&mut self, node: &Node) -> Option<Family> {
        let text = self.string(node)?;
        let family = Family::parse(&text);
        if family.is_none() {
            let known = Family::NAMES.join(", ");
            self.report(node.line, format!("unknown address family `{text}`"), Some(format!("known are {known}")));
        }
        family
    }
}
