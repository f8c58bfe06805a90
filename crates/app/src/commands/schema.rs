//! `uncia schema`: what log types are known, what their tables look like, and what records become.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use uncia_document::Interner;
use uncia_model::{Clock as _, ColumnType, LogType, SystemClock};
use uncia_processing::{Processed, Processor};

use crate::cli;
use crate::commands::ingest::{self, Plan};
use crate::config::Config;
use crate::content;
use crate::exit::{Exit, ExitError};
use crate::output::{Format, Rows, write_out};

/// `uncia schema list`
pub(crate) fn list(config: &Config, format: Format) -> Result<Exit> {
    let (schemas, errors) = content::schemas(&config.schemas.folders)?;
    let mut rows = Rows::new(&["log_type", "columns", "description"]);
    for schema in schemas.iter() {
        let table = schema.table_schema();
        let description = table.description.lines().next().unwrap_or_default().to_owned();
        rows.rows.push(vec![schema.log_type().as_str().into(), table.columns.len().into(), description.into()]);
    }
    rows.print(format)?;
    report(&errors)
}

/// `uncia schema show`
pub(crate) fn show(config: &Config, log_type: &str, format: Format) -> Result<Exit> {
    let (schemas, _) = content::schemas(&config.schemas.folders)?;
    let Some(schema) = schemas.get(&LogType::from(log_type)) else {
        return Err(ExitError::configuration(format!(
            "there is no log type {log_type}; `uncia schema list` shows them"
        )));
    };
    let mut rows = Rows::new(&["column", "type", "required", "description"]);
    for column in &schema.table_schema().columns {
        let doc = column.doc.clone().unwrap_or_default();
        rows.rows.push(vec![
            column.name.clone().into(),
            type_name(&column.kind).into(),
            column.required.into(),
            doc.lines().next().unwrap_or_default().into(),
        ]);
    }
    rows.print(format)?;
    Ok(Exit::Ok)
}

fn type_name(kind: &ColumnType) -> String {
    match kind {
        ColumnType::List(element) => format!("list<{}>", type_name(element)),
        ColumnType::Struct(fields) => {
            let fields: Vec<_> =
                fields.iter().map(|field| format!("{}: {}", field.name, type_name(&field.kind))).collect();
            format!("struct<{}>", fields.join(", "))
        }
        plain => format!("{plain:?}").to_lowercase(),
    }
}

/// `uncia schema parse`: the normal form of events, as rules see it, and the reasons of those that did not become one.
pub(crate) fn parse(config: &Config, logs: &cli::Logs) -> Result<Exit> {
    let (schemas, errors) = content::schemas(&config.schemas.folders)?;
    let mut exit = report(&errors)?;
    let Plan { paths, log_types, source, stream } = Plan::of(logs)?;
    let mut processor = Processor::new(Arc::new(schemas), Interner::new());
    let now = SystemClock.now();
    let (inputs, unread) = ingest::found_files(&paths)?;
    for input in inputs {
        let (payload, mut records) = ingest::records_of(&input, &source, &log_types, &stream, now)?;
        let mut processed = Processed::default();
        for record in records.by_ref() {
            match record {
                Ok(record) => processor.process(record, &payload, now, &mut processed),
                Err(failure) => processed.failures.push(failure),
            }
            let mut lines = Vec::new();
            for event in processed.events.drain(..) {
                event.document.write_json(&mut lines);
                lines.push(b'\n');
            }
            write_out(&lines)?;
            for failure in processed.failures.drain(..) {
                exit = Exit::Failed;
                eprintln!("{}, record {}: {}", input.place(), failure.ordinal, failure.message);
            }
        }
        if let Some(error) = records.take_error() {
            return Err(error).with_context(|| format!("cannot read {}", input.place()));
        }
    }
    Ok(if unread { Exit::Failed } else { exit })
}

/// `uncia schema export`
pub(crate) fn export(folder: &Path) -> Result<Exit> {
    let files = content::bundled("schemas", &["yml", "yaml"]);
    for (name, text) in &files {
        let path = folder.join(name.trim_start_matches("schemas/"));
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    eprintln!("{} schemas in {}", files.len(), folder.display());
    Ok(Exit::Ok)
}

/// Says what is wrong with schema files.
pub(super) fn report(errors: &[uncia_processing::SchemaError]) -> Result<Exit> {
    for error in errors {
        eprintln!("uncia: {error}");
    }
    Ok(if errors.is_empty() { Exit::Ok } else { Exit::Configuration })
}
