//! `uncia failures`: records that became no event, and their second chance.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use uncia_lake::Lake as _;
use uncia_model::{LogType, SystemClock};
use uncia_pipeline::{BatchLimits, FailureSelection};

use crate::cli::FailuresSelection;
use crate::commands::{ingest, query};
use crate::config::Config;
use crate::content;
use crate::exit::{Exit, ExitError};
use crate::output::{Format, Rows, write_out};
use crate::product::{Product, Purpose};

const TABLE: &str = "monitor.classification_failures";

fn selection(arguments: &FailuresSelection) -> FailureSelection {
    FailureSelection {
        source: arguments.source.clone(),
        reason: arguments.reason.clone(),
        ids: arguments.ids.clone(),
        ..FailureSelection::default()
    }
}

/// `uncia failures list`
pub(crate) async fn list(product: &Product, arguments: &FailuresSelection, format: Format) -> Result<Exit> {
    let columns = "p_source_id AS source, reason, error, count(*) AS failures, max(p_parse_time) AS last, max(p_row_id) AS example";
    let grouped = "GROUP BY p_source_id, reason, error ORDER BY failures DESC LIMIT 1000";
    print(product, arguments, columns, grouped, format).await
}

/// `uncia failures show`
pub(crate) async fn show(product: &Product, arguments: &FailuresSelection, format: Format) -> Result<Exit> {
    let columns = "p_row_id, p_parse_time, p_source_id, reason, error, payload_size, payload, payload_blob";
    print(product, arguments, columns, "ORDER BY p_parse_time, p_row_id LIMIT 1000", format).await
}

async fn print(
    product: &Product,
    arguments: &FailuresSelection,
    columns: &str,
    end: &str,
    format: Format,
) -> Result<Exit> {
    let tables = product.lake().tables().await?;
    if !tables.iter().any(|table| table.table.to_string() == TABLE) {
        Rows::new(&[]).print(format)?;
        return Ok(Exit::Ok);
    }
    let condition = selection(arguments).condition();
    let sql = format!("SELECT {columns} FROM {TABLE} WHERE {condition} {end}");
    query::print(product.lake().query(&sql).await?, format).await?;
    Ok(Exit::Ok)
}

/// `uncia failures replay`
pub(crate) async fn replay(
    config: Config,
    root: &Path,
    (arguments, log_types, detections): (&FailuresSelection, &[String], &[PathBuf]),
    format: Format,
) -> Result<Exit> {
    let (schemas, _) = content::schemas(&config.schemas.folders)?;
    let mut selection = selection(arguments);
    selection.log_types = log_types.iter().map(LogType::new).collect();
    let http = config.sources.http.iter().map(|source| (source.id.clone(), source.log_types.clone()));
    let watch = config.sources.watch.iter().map(|source| (source.id.clone(), source.log_types.clone()));
    selection.of_sources = http.chain(watch).collect();
    if let Some(unknown) = selection.log_types.iter().find(|log_type| schemas.get(log_type).is_none()) {
        return Err(ExitError::configuration(format!(
            "there is no log type {unknown}; `uncia schema list` shows them"
        )));
    }
    let product = Product::open(root, Purpose::Write("failures replay")).await?;
    let content = content::detections(&config, detections)?;
    let notice = |text: String| eprintln!("uncia: {text}");
    let walk = product.walk(&config, &content, Arc::new(SystemClock), &notice).await?;
    let limits = BatchLimits { bytes: config.batch.max_bytes, records: config.batch.max_records };
    let summary = walk
        .replay(&selection, limits)
        .await
        .context("stopped; what was moved stays moved, and the same command goes on with the rest")?;
    if format != Format::Table {
        write_out(format!("{}\n", serde_json::to_string(&summary)?).as_bytes())?;
        return Ok(Exit::Ok);
    }
    let mut text = String::new();
    if !summary.events.is_empty() {
        text += &ingest::counts(&summary).render(Format::Table, false);
        text.push('\n');
    }
    text += &format!(
        "{} failures replayed: {} became events, {} filtered, {} failed again; {} matches, {} alerts\n",
        summary.records,
        summary.event_count(),
        summary.filtered,
        summary.failure_count(),
        summary.matches,
        summary.alert_count(),
    );
    write_out(text.as_bytes())?;
    Ok(Exit::Ok)
}
