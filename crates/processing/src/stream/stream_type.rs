//! How a source's bytes are cut into records.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The shape of a stream, after decompression.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum StreamType {
    /// Inferred from the first bytes.
    #[default]
    Auto,
    /// One record a line.
    Lines,
    /// JSON values one after the other, pretty-printed or not.
    Json,
    /// The elements of an array, which stands under this path; numbers index arrays on the way.
    JsonArray { path: Vec<String> },
    /// The messages of Amazon CloudWatch Logs subscription documents.
    CloudWatchLogs {
        /// Whether the documents' account, log group and so on are kept as `p_header`.
        retain_envelope_fields: bool,
    },
    /// XML elements, as JSON.
    Xml {
        /// The element whose children are the records. Without one it is inferred whether there is a root element around
        /// the records.
        root: Option<String>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no stream type: known are auto, lines, json, json_array, json_array:PATH.TO.ARRAY, cloudwatch_logs, \
     cloudwatch_logs:retain_envelope_fields, xml and xml:ROOT_ELEMENT"
)]
pub struct StreamTypeError(String);

/// What stands behind the colon to keep the envelope's fields.
const RETAIN: &str = "retain_envelope_fields";

impl FromStr for StreamType {
    type Err = StreamTypeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || StreamTypeError(text.to_owned());
        let (name, option) = match text.split_once(':') {
            Some((_, "")) => return Err(unknown()),
            Some((name, option)) => (name, Some(option)),
            None => (text, None),
        };
        let folded = name.to_ascii_lowercase().replace('_', "");
        Ok(match (&*folded, option) {
            ("auto", None) => Self::Auto,
            ("lines", None) => Self::Lines,
            ("json", None) => Self::Json,
            ("jsonarray", None) => Self::JsonArray { path: Vec::new() },
            ("jsonarray", Some(path)) => Self::JsonArray { path: path.split('.').map(str::to_owned).collect() },
            ("cloudwatchlogs", None) => Self::CloudWatchLogs { retain_envelope_fields: false },
            ("cloudwatchlogs", Some(RETAIN)) => Self::CloudWatchLogs { retain_envelope_fields: true },
            ("xml", root) => Self::Xml { root: root.map(str::to_owned) },
            _ => return Err(unknown()),
        })
    }
}

impl TryFrom<String> for StreamType {
    type Error = StreamTypeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<StreamType> for String {
    fn from(stream: StreamType) -> Self {
        stream.to_string()
    }
}

impl fmt::Display for StreamType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Lines => f.write_str("lines"),
            Self::Json => f.write_str("json"),
            Self::JsonArray { path } if path.is_empty() => f.write_str("json_array"),
            Self::JsonArray { path } => write!(f, "json_array:{}", path.join(".")),
            Self::CloudWatchLogs { retain_envelope_fields: false } => f.write_str("cloudwatch_logs"),
            Self::CloudWatchLogs { retain_envelope_fields: true } => write!(f, "cloudwatch_logs:{RETAIN}"),
            Self::Xml { root: None } => f.write_str("xml"),
            Self::Xml { root: Some(root) } => write!(f, "xml:{root}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_go_both_ways() {
        for text in [
            "auto",
            "lines",
            "json",
            "json_array",
            "json_array:Records",
            "json_array:a.0.b",
            "cloudwatch_logs",
            "cloudwatch_logs:retain_envelope_fields",
            "xml",
            "xml:Events",
            "xml:ns:Events",
        ] {
            assert_eq!(text.parse::<StreamType>().unwrap().to_string(), text);
        }
        for (api, ours) in [
            ("Auto", "auto"),
            ("JSON", "json"),
            ("JsonArray", "json_array"),
            ("Lines", "lines"),
            ("CloudWatchLogs", "cloudwatch_logs"),
            ("XML", "xml"),
        ] {
            assert_eq!(api.parse::<StreamType>().unwrap().to_string(), ours);
        }
        for text in ["csv", "json_array:", "lines:x", "cloudwatch_logs:x"] {
            assert!(text.parse::<StreamType>().is_err(), "{text}");
        }
    }
}
