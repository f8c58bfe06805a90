//! `uncia schema test`: whether schema files do what they say.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use serde_json::Value as Json;
use uncia_document::Interner;
use uncia_processing::{Processor, Sample, SampleError, Schema, check_sample, sample_event, update_expected};

use crate::commands::schema::report;
use crate::config::Config;
use crate::content;
use crate::exit::Exit;

/// Checks the samples of the schemas in `paths`, or of all known ones; `update` writes what they become into the files.
pub(crate) fn test(config: &Config, paths: &[PathBuf], update: bool) -> Result<Exit> {
    let mut folders = config.schemas.folders.clone();
    folders.extend(paths.iter().cloned());
    let (schemas, errors) = content::schemas_with_samples(&folders)?;
    let schemas = Arc::new(schemas);
    let mut named = BTreeSet::new();
    for path in paths {
        named.extend(content::on_disk(path)?.into_iter().map(|(file, _)| file));
    }
    let is_meant = |schema: &&Arc<Schema>| paths.is_empty() || named.contains(schema.file());
    let mut processor = Processor::new(schemas.clone(), Interner::new());
    let mut tested = Tested::default();
    for schema in schemas.iter().filter(is_meant) {
        tested.schema(&mut processor, schema, update)?;
    }
    let Tested { log_types, samples, wrong, updated } = tested;
    eprintln!("{samples} samples of {log_types} log types: {wrong} differ from what they expect");
    if update {
        eprintln!("{updated} samples updated");
    }
    let loaded = report(&errors)?;
    Ok(if wrong > 0 { Exit::Failed } else { loaded })
}

#[derive(Default)]
struct Tested {
    log_types: usize,
    samples: usize,
    wrong: usize,
    updated: usize,
}

impl Tested {
    fn schema(&mut self, processor: &mut Processor, schema: &Schema, update: bool) -> Result<()> {
        self.log_types += 1;
        let mut changes = Vec::new();
        for sample in schema.samples() {
            self.samples += 1;
            match check_sample(processor, schema, sample) {
                Ok(()) => {}
                Err(SampleError::Different(_)) if update => match sample_event(processor, schema, sample) {
                    Ok(event) => changes.push((sample, event)),
                    Err(error) => self.wrong(schema, sample, &error),
                },
                Err(error) => self.wrong(schema, sample, &error),
            }
        }
        if !changes.is_empty() {
            self.updated += changes.len();
            rewrite(schema.file(), &changes)?;
        }
        Ok(())
    }

    fn wrong(&mut self, schema: &Schema, sample: &Sample, error: &SampleError) {
        self.wrong += 1;
        eprintln!("{}:{}: sample `{}`: {error}", schema.file(), sample.line, sample.name);
    }
}

fn rewrite(file: &str, changes: &[(&Sample, Json)]) -> Result<()> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot rewrite {file}: only schemas on disk can be updated, so name their path"))?;
    let updated = update_expected(file, &text, changes).with_context(|| file.to_owned())?;
    std::fs::write(file, updated).with_context(|| format!("cannot write {file}"))
}
