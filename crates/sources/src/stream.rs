//! How a source's bytes are cut into records, as a configuration says it.

use serde::{Deserialize, Serialize};

/// `stream` of a source: `"auto"`, `"lines"`, `"json"`, or `{ json_array = "path.to.the.array" }`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum StreamConfig {
    /// Seen from the bytes: an array or an envelope of records, JSON values one after another, or lines.
    #[default]
    Auto,
    /// One record a line.
    Lines,
    /// JSON values one after another.
    Json,
    /// An array of records at a dotted path; an empty path means that the whole value is the array.
    JsonArray(String),
}
