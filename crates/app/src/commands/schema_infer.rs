//! `uncia schema infer`: a schema from samples. They stream past twice: once to learn, once to be parsed with the result.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use uncia_document::{Interner, Parser};
use uncia_model::{Clock as _, LogType, Payload, SourceId, SystemClock};
use uncia_processing::{Inference, Processed, Processor, Records, RowFormat, SchemaSet, StreamType};
use uncia_sources::FileInput;

use crate::cli;
use crate::commands::ingest;
use crate::exit::{Exit, ExitError};
use crate::output::write_out;

/// Failures that are said one by one.
const FAILURES_SAID: u64 = 10;

/// Prints the schema of the samples.
pub(crate) fn infer(arguments: &cli::Infer) -> Result<Exit> {
    let stream: StreamType = arguments.stream.parse().map_err(|error| ExitError::usage(format!("{error}")))?;
    let (inputs, unread) = ingest::found_files(&arguments.paths)?;
    let samples = Samples { inputs, stream };
    let rows = samples.row_format()?;
    let (inference, odd) = samples.learn(rows.as_ref())?;
    let schema = inference.finish(&arguments.name, rows.as_ref())?;
    for note in &schema.notes {
        eprintln!("uncia: {note}");
    }
    let (set, errors) = SchemaSet::load([(arguments.name.clone(), schema.text.clone())]);
    if let Some(error) = errors.first() {
        return Err(ExitError::usage(error.to_string()));
    }
    let failed = if arguments.skip_check { 0 } else { samples.check(set)? };
    write_out(schema.text.as_bytes())?;
    if odd + failed > 0 {
        eprintln!("uncia: {} samples are not of the schema", odd + failed);
    }
    Ok(if unread || odd + failed > 0 { Exit::Failed } else { Exit::Ok })
}

struct Samples {
    inputs: Vec<FileInput>,
    stream: StreamType,
}

impl Samples {
    fn records(&self, input: &FileInput, log_types: &[LogType], stream: &StreamType) -> Result<(Payload, Records)> {
        ingest::records_of(input, &SourceId::from("infer"), log_types, stream, SystemClock.now())
    }

    /// How rows are cut, if the first file is one of rows: its first line is then no object but a list of names.
    fn row_format(&self) -> Result<Option<RowFormat>> {
        let Some(first) = self.inputs.first() else { return Ok(None) };
        let (_, mut lines) = self.records(first, &[], &StreamType::Lines)?;
        let line = lines.next();
        Ok(line.and_then(Result::ok).and_then(|line| RowFormat::of_header(&line.bytes)))
    }

    /// What all samples say, and how many say nothing.
    fn learn(&self, rows: Option<&RowFormat>) -> Result<(Inference, u64)> {
        let mut inference = Inference::new();
        let mut parser = Parser::new(Interner::new());
        let mut odd = Odd::default();
        for input in &self.inputs {
            let stream = if rows.is_some() { &StreamType::Lines } else { &self.stream };
            let (_, mut records) = self.records(input, &[], stream)?;
            for record in records.by_ref() {
                let record = match record {
                    Ok(record) => record,
                    Err(failure) => {
                        odd.say(input, failure.ordinal, &failure.message);
                        continue;
                    }
                };
                match rows {
                    Some(_) if record.ordinal == 0 => {}
                    Some(rows) => match rows.row(&record.bytes) {
                        Some(row) => inference.add_row(row.iter().map(|(name, cell)| (*name, cell.as_str()))),
                        None => odd.say(input, record.ordinal, "not as many cells as the header has names"),
                    },
                    None => match parser.parse(&record.bytes) {
                        Ok(document) if document.root().is_object() => inference.add(document.root()),
                        Ok(_) => odd.say(input, record.ordinal, "not a JSON object"),
                        Err(error) => odd.say(input, record.ordinal, &format!("not JSON: {error}")),
                    },
                }
            }
            if let Some(error) = records.take_error() {
                return Err(error).with_context(|| format!("cannot read {}", input.place()));
            }
        }
        Ok((inference, odd.count))
    }

    /// Parses all samples with the schema and counts those that it does not take.
    fn check(&self, set: SchemaSet) -> Result<u64> {
        let mut processor = Processor::new(Arc::new(set), Interner::new());
        let mut odd = Odd::default();
        let mut processed = Processed::default();
        for input in &self.inputs {
            let (payload, records) = self.records(input, &[], &self.stream)?;
            for record in records.flatten() {
                processor.process(record, &payload, payload.received, &mut processed);
                processed.events.clear();
                for failure in processed.failures.drain(..) {
                    odd.say(input, failure.ordinal, &failure.message);
                }
            }
        }
        Ok(odd.count)
    }
}

/// Samples that are left out, the first of them said.
#[derive(Default)]
struct Odd {
    count: u64,
}

impl Odd {
    fn say(&mut self, input: &FileInput, ordinal: u64, why: &str) {
        self.count += 1;
        if self.count <= FAILURES_SAID {
            eprintln!("{}, record {ordinal}: {why}", input.place());
        }
    }
}
