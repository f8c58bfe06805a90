//! `uncia detections list` and `uncia detections run`: what is loaded, and what runs by the clock, now.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use uncia_detection::Content;
use uncia_document::Timestamp;
use uncia_model::SystemClock;
use uncia_pipeline::Scheduler;

use crate::config::Config;
use crate::content;
use crate::data_dir::DataDir;
use crate::exit::{Exit, ExitError};
use crate::output::{Format, Rows};
use crate::product::{Product, Purpose};
use crate::standing::Standing;

pub(crate) async fn list(config: &Config, root: Option<&Path>, more: &[PathBuf], format: Format) -> Result<Exit> {
    let content = content::detections(config, more)?;
    let standing = match root {
        Some(root) => serving(root).await?,
        None => None,
    };
    let word_on = |id: &str| standing.as_ref().and_then(|standing| standing.word_on(id));
    let mut rows = Rows::new(&["id", "type", "enabled", "judges", "file", "serving"]);
    for rule in &content.rules {
        let judges: Vec<&str> = rule.log_types.iter().map(uncia_model::LogType::as_str).collect();
        let (id, kind) = (rule.id.as_str(), rule.analysis_type.as_str());
        rows.rows.push(vec![
            id.into(),
            kind.into(),
            rule.enabled.into(),
            judges.join(", ").into(),
            rule.file.as_str().into(),
            word_on(id).into(),
        ]);
    }
    let supporting = supporting(&content).into_iter().map(|(id, kind, enabled, judges, file)| {
        vec![id.into(), kind.into(), enabled.into(), judges.into(), file.into(), word_on(id).into()]
    });
    rows.rows.extend(supporting);
    for problem in &content.problems {
        eprintln!("uncia: {problem}");
    }
    let complaints = standing.map(|standing| standing.complaints()).unwrap_or_default();
    complaints.iter().for_each(|complaint| eprintln!("uncia: serving: {complaint}"));
    rows.print(format)?;
    let is_bad = content.invalid().next().is_some() || !complaints.is_empty();
    Ok(if is_bad { Exit::Failed } else { Exit::Ok })
}

/// What `uncia serve` runs in this data directory, if it does.
pub(crate) async fn serving(root: &Path) -> Result<Option<Standing>> {
    if !DataDir::is_written(root) {
        return Ok(None);
    }
    let product = Product::open(root, Purpose::Read).await?;
    Ok(Standing::read(product.store()).await?)
}

type Item<'a> = (&'a str, &'static str, Option<bool>, String, &'a str);

fn supporting(content: &Content) -> Vec<Item<'_>> {
    let models = content.data_models.iter().map(|model| {
        let log_types: Vec<&str> = model.log_types.iter().map(uncia_model::LogType::as_str).collect();
        (model.id.as_str(), "datamodel", Some(model.enabled), log_types.join(", "), model.file.as_str())
    });
    let globals =
        content.globals.iter().map(|global| (global.id.as_str(), "global", None, String::new(), global.file.as_str()));
    let others = content.others.iter().map(|item| {
        let query = content.queries.iter().find(|query| query.id == item.id && query.schedule.is_some());
        let enabled = query.map(|query| query.enabled);
        (item.id.as_str(), item.analysis_type.as_str(), enabled, item.ids.join(", "), item.file.as_str())
    });
    models.chain(globals).chain(others).collect()
}

/// Runs some, for now or for the instant given. What was found before for that minute is not done again.
pub(crate) async fn run(
    config: &Config,
    root: &Path,
    (ids, at): (&[String], Option<&str>),
    more: &[PathBuf],
    format: Format,
) -> Result<Exit> {
    let clock: Arc<dyn uncia_model::Clock> = Arc::new(SystemClock);
    let at = match at {
        Some(text) => instant(text)?,
        None => clock.now(),
    };
    let product = Product::open(root, Purpose::Write("detections run")).await?;
    let content = content::detections(config, more)?;
    let notice = |text: String| eprintln!("uncia: {text}");
    let walk = Arc::new(product.walk(config, &content, clock, &notice).await?);
    let scheduler = Scheduler::new(walk, &content);
    let mut rows = Rows::new(&["name", "at", "rows", "matches", "alerts", "problem"]);
    let mut exit = Exit::Ok;
    for id in ids {
        let Some(ran) = scheduler.run_one(id, at).await? else {
            let names: Vec<String> = scheduler.jobs().into_iter().map(|(name, _)| name).collect();
            let there =
                if names.is_empty() { "nothing does".to_owned() } else { format!("these do: {}", names.join(", ")) };
            // What has run, has run.
            if !rows.rows.is_empty() {
                rows.print(format)?;
            }
            return Err(ExitError::usage(format!("no enabled `{id}` runs by the clock; {there}")));
        };
        if ran.before {
            eprintln!("{} had run for {} before; nothing was changed", ran.name, ran.at);
        }
        rows.rows.push(vec![
            ran.name.clone().into(),
            ran.at.to_string().into(),
            ran.summary.records.into(),
            ran.summary.matches.into(),
            ran.summary.alert_count().into(),
            ran.problem.clone().into(),
        ]);
        if ran.problem.is_some() {
            exit = Exit::Failed;
        }
    }
    rows.print(format)?;
    Ok(exit)
}

fn instant(text: &str) -> Result<Timestamp> {
    let parsed = uncia_detection::instant(text);
    parsed.map(Timestamp::from_micros).ok_or_else(|| {
        ExitError::usage(format!("`{text}` is no instant; write it as in RFC 3339, such as 2026-01-31T12:00:00Z"))
    })
}
