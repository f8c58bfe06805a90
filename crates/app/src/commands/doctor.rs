//! `uncia doctor` and `uncia version`: what is here, and whether it fits together.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use uncia_detection::{LayerState, MemoryCache, Program, SandboxLayer};
use uncia_lake::Lake as _;

use crate::config::Config;
use crate::content;
use crate::exit::Exit;
use crate::output::{Format, write_out};
use crate::product::{Product, Purpose, check, start_engine};

/// `uncia version`
pub(crate) fn version(format: Format) -> Result<Exit> {
    let version = env!("CARGO_PKG_VERSION");
    let text = match format {
        Format::Table => format!("uncia {version}\n"),
        _ => format!("{}\n", serde_json::json!({"version": version})),
    };
    write_out(text.as_bytes())?;
    Ok(Exit::Ok)
}

/// `uncia doctor`: looks at everything that a command may need; one line each, the bad ones with what to do.
pub(crate) async fn doctor(config: &Config, root: &Path) -> Result<Exit> {
    let mut findings = Vec::new();
    findings.push(("configuration", check(config).map(|()| "good".to_owned())));
    findings.push(("schemas", schemas(config)));
    let content = content::detections(config, &[]);
    findings.push((
        "detections",
        content.as_ref().map_err(|error| anyhow::anyhow!("{error:#}")).and_then(|content| {
            let running = content.rules.iter().filter(|rule| rule.enabled).count();
            match content.invalid().next() {
                Some(problem) => Err(anyhow::anyhow!("{problem}")),
                None => Ok(format!("{} known, {running} judge events", content.rules.len())),
            }
        }),
    ));
    let engine = match &content {
        Ok(content) => start_engine(config, Program::from(content), Arc::new(MemoryCache::default())).await,
        Err(_) => start_engine(config, Program::default(), Arc::new(MemoryCache::default())).await,
    };
    let mut walls = None;
    findings.push((
        "python workers",
        match engine {
            Ok(engine) => {
                walls = Some(isolation(&engine.sandbox()));
                let errors = engine.setup_errors();
                let said = match errors.first() {
                    None => Ok(match engine.uncopied() {
                        None => "copied from one process, in which all detections load".to_owned(),
                        Some(reason) => format!("started, all detections load; each loads them itself: {reason}"),
                    }),
                    Some(error) => Err(anyhow::anyhow!("{} detections do not load: {error:?}", errors.len())),
                };
                engine.shutdown().await;
                said
            }
            Err(error) => Err(error),
        },
    ));
    findings.extend(walls.map(|walls| ("isolation", Ok(walls))));
    findings.push(("data directory", data_directory(root).await));
    findings.extend(alarms(root).await.transpose().map(|said| ("sources", said)));
    findings.extend(serving(root).await.transpose().map(|said| ("serving", said)));

    let mut exit = Exit::Ok;
    for (name, finding) in findings {
        let line = match finding {
            Ok(said) => format!("ok    {name:<16} {said}\n"),
            Err(error) => {
                exit = Exit::Failed;
                format!("BAD   {name:<16} {error:#}\n")
            }
        };
        write_out(line.as_bytes())?;
    }
    Ok(exit)
}

/// The walls around detections, those that are missing last.
fn isolation(layers: &[SandboxLayer]) -> String {
    if layers.is_empty() {
        return "off: detections can do what this user can".to_owned();
    }
    let (missing, standing): (Vec<_>, Vec<_>) = layers.iter().partition(|layer| layer.state == LayerState::Missing);
    standing.into_iter().chain(missing).map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn schemas(config: &Config) -> Result<String> {
    let (schemas, errors) = content::schemas(&config.schemas.folders)?;
    match errors.first() {
        Some(error) => Err(anyhow::anyhow!("{error}")),
        None => Ok(format!("{} log types", schemas.iter().count())),
    }
}

/// What the process that serves from this directory says of its detections.
async fn serving(root: &Path) -> Result<Option<String>> {
    let Some(standing) = super::scheduled::serving(root).await? else { return Ok(None) };
    let complaints = standing.complaints();
    anyhow::ensure!(complaints.is_empty(), "{}", complaints.join("; "));
    Ok(Some(standing.to_string()))
}

/// What is wrong with sources right now.
async fn alarms(root: &Path) -> Result<Option<String>> {
    if !root.try_exists()? {
        return Ok(None);
    }
    let product = Product::open(root, Purpose::Read).await?;
    let standing = product.store().alarms().await?;
    let said = standing.iter().map(|alarm| {
        let since = uncia_document::Timestamp::from_micros(alarm.since_micros);
        format!("{} {} since {since}: `uncia alerts show {}`", alarm.subject, alarm.kind.as_str(), alarm.alert)
    });
    let said: Vec<String> = said.collect();
    anyhow::ensure!(said.is_empty(), "{}", said.join("; "));
    Ok(Some("no alarm stands".to_owned()))
}

async fn data_directory(root: &Path) -> Result<String> {
    if !root.try_exists()? {
        return Ok(format!("{} does not exist yet; the first command that writes makes it", root.display()));
    }
    let product = Product::open(root, Purpose::Read).await?;
    product.store().check().await?;
    let tables = product.lake().tables().await?;
    let rows: u64 = tables.iter().map(|table| table.rows).sum();
    Ok(format!("{}: {} tables, {rows} rows", root.display(), tables.len()))
}
