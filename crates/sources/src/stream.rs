//! How a source's bytes are cut into records, as a configuration says it.

use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// `stream` of a source: a name, or a table where there is something to add to it.
///
/// `"auto"`, `"lines"`, `"json"`, `"json_array"`, `"cloudwatch_logs"`, `"xml"`; `{ json_array = "path.to.the.array" }`,
/// `{ cloudwatch_logs = { retain_envelope_fields = true } }`, `{ xml = "RootElement" }`. Names are read without regard to
/// case and underscores, so those of the API (`JsonArray`, `CloudWatchLogs`) are good too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamConfig {
    /// Seen from the bytes: an array or an envelope of records, JSON values one after another, XML, or lines.
    #[default]
    Auto,
    /// One record a line.
    Lines,
    /// JSON values one after another.
    Json,
    /// An array of records at a dotted path; an empty path means that the whole value is the array.
    JsonArray(String),
    /// The messages of Amazon CloudWatch Logs subscription documents.
    #[serde(rename = "cloudwatch_logs")]
    CloudWatchLogs {
        /// Whether account, log group, log stream and filters are kept as `p_header`.
        retain_envelope_fields: bool,
    },
    /// XML elements: the children of the element with this name; without a name, of the root if there is one.
    Xml(Option<String>),
}

/// What stands behind `cloudwatch_logs`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CloudWatchOptions {
    #[serde(default)]
    retain_envelope_fields: bool,
}

const NAMES: &[&str] = &["auto", "lines", "json", "json_array", "cloudwatch_logs", "xml"];

impl<'de> Deserialize<'de> for StreamConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StreamVisitor)
    }
}

struct StreamVisitor;

impl<'de> Visitor<'de> for StreamVisitor {
    type Value = StreamConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a stream type, or a table with one")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<StreamConfig, E> {
        Ok(match &*folded(name) {
            "auto" => StreamConfig::Auto,
            "lines" => StreamConfig::Lines,
            "json" => StreamConfig::Json,
            "jsonarray" => StreamConfig::JsonArray(String::new()),
            "cloudwatchlogs" => StreamConfig::CloudWatchLogs { retain_envelope_fields: false },
            "xml" => StreamConfig::Xml(None),
            _ => return Err(E::unknown_variant(name, NAMES)),
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<StreamConfig, A::Error> {
        let name: String = map.next_key()?.ok_or_else(|| A::Error::custom("the table names no stream type"))?;
        let stream = match &*folded(&name) {
            "jsonarray" => StreamConfig::JsonArray(map.next_value()?),
            "cloudwatchlogs" => {
                let CloudWatchOptions { retain_envelope_fields } = map.next_value()?;
                StreamConfig::CloudWatchLogs { retain_envelope_fields }
            }
            "xml" => StreamConfig::Xml(map.next_value()?),
            _ => return Err(A::Error::unknown_field(&name, &["json_array", "cloudwatch_logs", "xml"])),
        };
        if map.next_key::<String>()?.is_some() {
            return Err(A::Error::custom("the table names more than one stream type"));
        }
        Ok(stream)
    }
}

fn folded(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        #[derive(Deserialize)]
        struct Source {
            stream: StreamConfig,
        }
        match toml::from_str::<Source>(&format!("stream = {text}")) {
            Ok(source) => format!("{:?}", source.stream),
            Err(error) => error.message().to_owned(),
        }
    }

    #[test]
    fn spellings() {
        for (text, expected) in [
            ("'auto'", "Auto"),
            ("'JSON'", "Json"),
            ("'JsonArray'", "JsonArray(\"\")"),
            ("{ json_array = 'Records' }", "JsonArray(\"Records\")"),
            ("'CloudWatchLogs'", "CloudWatchLogs { retain_envelope_fields: false }"),
            (
                "{ cloudwatch_logs = { retain_envelope_fields = true } }",
                "CloudWatchLogs { retain_envelope_fields: true }",
            ),
            ("'xml'", "Xml(None)"),
            ("{ xml = 'Events' }", "Xml(Some(\"Events\"))"),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        assert!(read("'csv'").contains("unknown variant `csv`"), "{}", read("'csv'"));
        assert!(read("{ lines = true }").contains("unknown field `lines`"), "{}", read("{ lines = true }"));
        assert!(read("{}").contains("names no stream type"));
        assert!(read("{ xml = 'a', json_array = 'b' }").contains("more than one"));
    }
}
