//! `uncia schema test`: whether schema files do what they say.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use serde_json::Value as Json;
use uncia_document::Interner;
use uncia_processing::{
    Processor, Sample, SampleError, Schema, SchemaSet, check_case, check_sample, read_test_cases, sample_event,
    update_expected,
};

use crate::commands::schema::report;
use crate::config::Config;
use crate::content;
use crate::exit::Exit;

/// Checks the samples of the schemas in `paths`, or of all known ones; `update` writes what they become into the files.
pub(crate) fn test(config: &Config, paths: &[PathBuf], update: bool) -> Result<Exit> {
    let schema_paths: Vec<PathBuf> = paths.iter().filter(|path| !content::is_test_file(path)).cloned().collect();
    let mut folders = config.schemas.folders.clone();
    folders.extend(schema_paths.iter().cloned());
    let (schemas, errors) = content::schemas_with_samples(&folders)?;
    let schemas = Arc::new(schemas);
    let mut named = BTreeSet::new();
    for path in &schema_paths {
        named.extend(content::on_disk(path)?.into_iter().map(|(file, _)| file));
    }
    let is_meant = |schema: &&Arc<Schema>| paths.is_empty() || named.contains(schema.file());
    let mut processor = Processor::new(schemas.clone(), Interner::new());
    let mut tested = Tested::default();
    for schema in schemas.iter().filter(is_meant) {
        tested.schema(&mut processor, schema, update)?;
    }
    for path in paths {
        for file in content::test_files(path)? {
            tested.cases(&schemas, &file)?;
        }
    }
    let Tested { log_types, samples, cases, wrong, updated } = tested;
    let beside = if cases > 0 { format!(", {cases} tests beside them") } else { String::new() };
    eprintln!("{samples} samples of {log_types} log types{beside}: {wrong} differ from what they expect");
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
    cases: usize,
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

    /// Runs the tests of a file; one that cannot be read is a failed one.
    fn cases(&mut self, schemas: &Arc<SchemaSet>, file: &Path) -> Result<()> {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let cases = match read_test_cases(&file.display().to_string(), &text) {
            Ok(cases) => cases,
            Err(errors) => {
                self.wrong += 1;
                errors.iter().for_each(|error| eprintln!("{error}"));
                return Ok(());
            }
        };
        for case in &cases {
            self.cases += 1;
            if let Err(error) = check_case(schemas, case) {
                self.wrong += 1;
                eprintln!("{}:{}: test `{}`: {error}", file.display(), case.line, case.name);
            }
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
