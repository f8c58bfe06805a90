//! Edited detections take over while events flow.
//!
//! ```text
//!  files ─fingerprint─▶ edited? ─content─▶ over what runs ─workers─▶ do they load? ─▶ switch, between two batches
//!                                             ▲ the version before ◀──────┘ no
//! ```
//!
//! The new generation is loaded beside the one that works. What is broken, in YAML or in Python, stays as it was while
//! the rest goes on; if nothing can be made of the new content, all of it stays. What stands is noted in the store, for
//! `uncia detections list` and `uncia doctor`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use uncia_detection::{Content, Engine, Fingerprint, Logic};
use uncia_model::DetectionId;
use uncia_pipeline::{Generation, Scheduler, Walk};

use crate::config::Config;
use crate::content;
use crate::product::Product;
use crate::standing::Standing;

/// Loads until nothing is broken that was not before: for globals and data models, for what they break, for detections.
const LOADS: usize = 4;

/// Watches content and switches.
pub(crate) struct Reloader {
    pub(crate) product: Arc<Product>,
    pub(crate) config: Config,
    pub(crate) walk: Arc<Walk>,
    pub(crate) scheduler: Arc<Scheduler>,
    /// What runs.
    pub(crate) content: Content,
    /// Of the files that it was read from.
    pub(crate) loaded: Fingerprint,
    pub(crate) every: Option<Duration>,
}

/// Content that loads, and what of it is not as its files say.
struct Next {
    generation: Generation,
    content: Content,
    /// Ids, with what is wrong with their files.
    kept: BTreeMap<String, String>,
}

impl Reloader {
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut hangup = match signal(SignalKind::hangup()) {
            Ok(hangup) => hangup,
            Err(error) => {
                tracing::error!("cannot listen for signals, so that content is never loaded again: {error}");
                return;
            }
        };
        let mut standing = Standing::of(&self.walk.generation(), &self.content, BTreeMap::new());
        self.note(&standing).await;
        let mut seen = self.loaded;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = wait(self.every) => {
                    let before = std::mem::replace(&mut seen, self.fingerprint().await);
                    // Not while somebody is writing.
                    let is_settled = before == seen;
                    if seen == self.loaded || !is_settled {
                        self.note_put_aside(&mut standing).await;
                        continue;
                    }
                }
                _ = hangup.recv() => {
                    self.product.ward().release();
                    seen = self.fingerprint().await;
                }
            }
            // Before the files are read: what is edited meanwhile differs from it.
            self.loaded = seen;
            let reloaded = tokio::select! {
                reloaded = self.reload() => reloaded,
                () = stop.cancelled() => break,
            };
            let switched = reloaded.is_ok();
            match reloaded {
                Ok(now) => standing = now,
                Err(error) => {
                    tracing::error!("the detections stay as they are: {error:#}");
                    standing.refused = Some(format!("{error:#}"));
                }
            }
            self.note(&standing).await;
            if switched {
                // Behind the note: whoever reads this and asks gets the same answer.
                eprintln!("detections are loaded again: {standing}");
            }
        }
        Standing::forget(self.product.store()).await;
    }

    async fn fingerprint(&self) -> Fingerprint {
        let folders = self.config.content_folders();
        let looked = tokio::task::spawn_blocking(move || Fingerprint::of(&folders)).await;
        looked.expect("looking at files does not panic")
    }

    async fn reload(&mut self) -> Result<Standing> {
        let Next { generation, content, kept } = self.next().await?;
        if let Some(detections) = &generation.detections {
            detections.engine.ready().await;
        }
        let standing = Standing::of(&generation, &content, kept);
        standing.problems.iter().for_each(|problem| tracing::error!("{problem}"));
        for (id, why) in &standing.kept {
            tracing::error!(detection.id = id, "its version before goes on: {why}");
        }
        let (schemas, _) = content::schemas(&self.config.schemas.folders)?;
        self.walk.switch(generation);
        let tables = crate::lookups::tables(&content, &schemas, &|text| tracing::error!("{text}"));
        self.walk.lookups().load_content(tables);
        self.scheduler.replace(&content);
        self.content = content;
        Ok(standing)
    }

    /// Reads the files and starts workers with what can be made of them.
    async fn next(&self) -> Result<Next> {
        let config = self.config.clone();
        let mut content = tokio::task::spawn_blocking(move || content::detections(&config, &[]))
            .await
            .context("reading content ended abnormally")??;
        let mut kept: BTreeMap<String, String> = BTreeMap::new();
        for id in content.keep_from(&self.content) {
            let problem = content.problems.iter().find(|problem| problem.id.as_deref() == Some(&id));
            let why = problem.map_or_else(|| "its file cannot be read".to_owned(), ToString::to_string);
            kept.insert(id, why);
        }
        let current = self.walk.generation();
        let (number, broken_before) = (current.number + 1, broken(&current).into_keys().collect::<BTreeSet<_>>());
        drop(current);
        for _ in 0..LOADS {
            let generation = self.product.generation(&self.config, &content, number).await?;
            let put_back = match &generation.detections {
                Some(detections) => self.to_put_back(&detections.engine, &content, &broken_before),
                None => BTreeMap::new(),
            };
            let put_back: BTreeMap<String, String> =
                put_back.into_iter().filter(|(id, _)| !kept.contains_key(id)).collect();
            if put_back.is_empty() {
                return Ok(Next { generation, content, kept });
            }
            for (id, why) in put_back {
                content.put_back(&self.content, &id);
                kept.insert(id, why);
            }
        }
        anyhow::bail!("what the new files break does not load with their versions before either");
    }

    /// What loaded before and does not now. Where detections fail that nobody has edited, globals are to blame.
    fn to_put_back(
        &self,
        engine: &Engine,
        content: &Content,
        broken_before: &BTreeSet<String>,
    ) -> BTreeMap<String, String> {
        let supporting = engine.supporting_errors().into_iter();
        let supporting: BTreeMap<String, String> = supporting
            .filter(|(id, _)| !broken_before.contains(id) && has_supporting(&self.content, id))
            .map(|(id, error)| (id, error.to_string()))
            .collect();
        if !supporting.is_empty() {
            return supporting;
        }
        let (mut edited, mut innocent) = (BTreeMap::new(), None);
        for (id, error) in engine.setup_errors() {
            let Some(before) = python_of(&self.content, &id) else { continue };
            if broken_before.contains(id.as_str()) {
                continue;
            }
            if python_of(content, &id) == Some(before) {
                innocent.get_or_insert_with(|| format!("{id} does not load with it: {error}"));
            } else {
                edited.insert(id.to_string(), error.to_string());
            }
        }
        let Some(why) = innocent else { return edited };
        let is_same = |id: &str, source: &str| {
            content.globals.iter().any(|global| global.id == id && global.module.source == source)
        };
        let globals = self.content.globals.iter().filter(|global| !is_same(&global.id, &global.module.source));
        let globals: BTreeMap<String, String> = globals.map(|global| (global.id.clone(), why.clone())).collect();
        if globals.is_empty() { edited } else { globals }
    }

    async fn note(&self, standing: &Standing) {
        if let Err(error) = standing.note(self.product.store()).await {
            tracing::warn!("cannot note which detections run: {error}");
        }
    }

    /// Detections are put aside at any time.
    async fn note_put_aside(&self, standing: &mut Standing) {
        let put_aside = Standing::put_aside(&self.walk.generation());
        if put_aside != standing.put_aside {
            standing.put_aside = put_aside;
            self.note(standing).await;
        }
    }
}

/// What does not load, by id.
pub(crate) fn broken(generation: &Generation) -> BTreeMap<String, String> {
    let Some(detections) = &generation.detections else { return BTreeMap::new() };
    let supporting = detections.engine.supporting_errors().into_iter();
    let setup = detections.engine.setup_errors().into_iter().map(|(id, error)| (id.to_string(), error));
    supporting.chain(setup).map(|(id, error)| (id, error.to_string())).collect()
}

fn has_supporting(content: &Content, id: &str) -> bool {
    content.globals.iter().any(|global| global.id == id) || content.data_models.iter().any(|model| model.id == id)
}

fn python_of<'a>(content: &'a Content, id: &DetectionId) -> Option<&'a str> {
    match &content.rule(id)?.logic {
        Logic::Python(source) => Some(&source.source),
        _ => None,
    }
}

async fn wait(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}
