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
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no stream type: known are auto, lines, json, json_array and json_array:PATH.TO.ARRAY")]
pub struct StreamTypeError(String);

impl FromStr for StreamType {
    type Err = StreamTypeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let folded = text.to_ascii_lowercase();
        Ok(match &*folded {
            "auto" => Self::Auto,
            "lines" => Self::Lines,
            "json" => Self::Json,
            "json_array" | "jsonarray" => Self::JsonArray { path: Vec::new() },
            _ => match text.split_once(':') {
                Some((name, path)) if name.eq_ignore_ascii_case("json_array") && !path.is_empty() => {
                    Self::JsonArray { path: path.split('.').map(str::to_owned).collect() }
                }
                _ => return Err(StreamTypeError(text.to_owned())),
            },
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_go_both_ways() {
        for text in ["auto", "lines", "json", "json_array", "json_array:Records", "json_array:a.0.b"] {
            assert_eq!(text.parse::<StreamType>().unwrap().to_string(), text);
        }
        assert!("csv".parse::<StreamType>().is_err());
        assert!("json_array:".parse::<StreamType>().is_err());
    }
}
