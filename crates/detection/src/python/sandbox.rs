//! The walls around content: which are asked for, and which a worker reports.
//!
//! The worker builds them itself, right before it runs the first line of content; `pyworker` has the how.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What becomes of a worker whose walls do not all stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sandbox {
    /// It runs no content.
    Strict,
    /// It runs behind those that the system offers.
    #[default]
    BestEffort,
    /// None are built: content can do what the user that runs the product can.
    Off,
}

/// One wall, as the worker found it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SandboxLayer {
    pub name: String,
    pub state: LayerState,
    /// What is wrong with it, if something is.
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LayerState {
    Full,
    /// It keeps what it is for, in an older form.
    Partial,
    Missing,
}

impl fmt::Display for SandboxLayer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.state {
            LayerState::Full => write!(out, "{}", self.name),
            LayerState::Partial => write!(out, "{} in part ({})", self.name, self.detail),
            LayerState::Missing => write!(out, "no {} ({})", self.name, self.detail),
        }
    }
}
