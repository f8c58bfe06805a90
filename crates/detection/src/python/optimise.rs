//! How far detections are decided without Python, and what the optimiser knows of them.

use serde::{Deserialize, Serialize};

/// How far detections are decided without asking Python. All modes give the same results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimise {
    /// Python judges every pair of event and detection.
    Off,
    /// Python judges what the rule index does not rule out.
    Index,
    /// Python judges what neither the index rules out nor the native evaluator decides, and all matches.
    #[default]
    Full,
}

impl Optimise {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Index => "index",
            Self::Full => "full",
        }
    }
}

impl std::str::FromStr for Optimise {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Off, Self::Index, Self::Full]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| format!("`{text}` is none of off, index, full"))
    }
}

/// What of a detection is decided without Python, as far as it can be told without an event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Explanation {
    /// Paths into the event that it reads, and the texts it compares with what it finds there.
    pub reads: Vec<(Vec<String>, Vec<String>)>,
    /// What only Python can do of it.
    pub opaque: Vec<String>,
}

/// For tests of the optimiser.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    /// Keep explanations.
    pub explain: bool,
    /// A deliberate error in the index or the evaluator, by its name; debug builds of the extension have them.
    pub fault: Option<String>,
}
