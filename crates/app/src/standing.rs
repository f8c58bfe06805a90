//! Which detections a running `uncia serve` runs, noted in the store for other commands to show.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use uncia_detection::Content;
use uncia_pipeline::Generation;
use uncia_store::{Store, StoreError};

use crate::reload::broken;

/// The fact's name.
const FACT: &str = "detections";

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Standing {
    pub(crate) generation: u64,
    /// Enabled detections.
    pub(crate) running: usize,
    /// What is wrong with files, and with what does not load.
    pub(crate) problems: Vec<String>,
    /// Ids whose version before runs on, with what is wrong with the new one.
    pub(crate) kept: BTreeMap<String, String>,
    /// Detections that keep holding up their workers.
    pub(crate) put_aside: Vec<String>,
    /// Why the latest edit was not taken over at all.
    pub(crate) refused: Option<String>,
}

impl Standing {
    pub(crate) fn of(generation: &Generation, content: &Content, kept: BTreeMap<String, String>) -> Self {
        let invalid = content.invalid().filter(|problem| problem.id.as_ref().is_none_or(|id| !kept.contains_key(id)));
        let unloaded = broken(generation).into_iter().map(|(id, error)| format!("{id} does not load: {error}"));
        Self {
            generation: generation.number,
            running: content.rules.iter().filter(|rule| rule.enabled).count(),
            problems: invalid.map(ToString::to_string).chain(unloaded).collect(),
            kept,
            put_aside: Self::put_aside(generation),
            refused: None,
        }
    }

    pub(crate) fn put_aside(generation: &Generation) -> Vec<String> {
        let ids = generation.detections.iter().flat_map(|detections| detections.engine.quarantined());
        ids.map(|id| id.to_string()).collect()
    }

    pub(crate) async fn note(&self, store: &Store) -> Result<()> {
        Ok(store.set_fact(FACT, &serde_json::to_string(self)?).await?)
    }

    /// At an orderly end: nothing runs any more.
    pub(crate) async fn forget(store: &Store) {
        if let Err(error) = store.set_fact(FACT, "").await {
            tracing::warn!("cannot note that no detections run: {error}");
        }
    }

    /// What was noted last; whoever noted it may have ended since.
    pub(crate) async fn read(store: &Store) -> Result<Option<Self>, StoreError> {
        let text = store.fact(FACT).await?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// In a word what is unusual about a detection.
    pub(crate) fn word_on(&self, id: &str) -> Option<&'static str> {
        if self.put_aside.iter().any(|aside| aside == id) {
            return Some("put aside");
        }
        self.kept.contains_key(id).then_some("version before")
    }

    /// What somebody should look at.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let kept = self.kept.iter().map(|(id, why)| format!("{id}: its version before runs: {why}"));
        let aside = self.put_aside.iter().map(|id| format!("{id}: put aside, it kept holding up its worker"));
        let refused = self.refused.iter().map(|why| format!("the latest edit was not taken over: {why}"));
        refused.chain(kept).chain(aside).chain(self.problems.iter().cloned()).collect()
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "generation {}, {} run", self.generation, self.running)?;
        if !self.kept.is_empty() {
            write!(f, ", {} of them as before", self.kept.len())?;
        }
        match self.problems.len() {
            0 => Ok(()),
            problems => write!(f, ", {problems} problems"),
        }
    }
}
