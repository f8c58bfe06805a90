//! `uncia ingest`: files or stdin through the whole walk, once. Returns when the rows can be queried and the alerts are
//! stored. What an earlier run committed of a file, by its content, is not done again.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use uncia_document::Timestamp;
use uncia_model::{LogType, Payload, SourceId, SystemClock};
use uncia_pipeline::batch::RawBatch;
use uncia_pipeline::{BatchLimits, Batcher, Input, Summary, Walk};
use uncia_processing::{Records, StreamType, StreamTypeError};
use uncia_sources::FileInput;

use crate::cli;
use crate::config::Config;
use crate::content;
use crate::exit::{Exit, ExitError};
use crate::output::{Format, Rows, write_out};
use crate::product::{self, Product, Purpose};

/// What to take in, and as what.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) log_types: Vec<LogType>,
    pub(crate) source: SourceId,
    pub(crate) stream: StreamType,
}

impl Plan {
    /// As the command line says it.
    pub(crate) fn of(logs: &cli::Logs) -> Result<Self> {
        let unknown = |error: StreamTypeError| ExitError::usage(error.to_string());
        Ok(Self {
            paths: logs.paths.clone(),
            log_types: logs.log_types.iter().map(LogType::new).collect(),
            source: SourceId::from(logs.source.as_str()),
            stream: logs.stream.parse().map_err(unknown)?,
        })
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self { paths: Vec::new(), log_types: Vec::new(), source: SourceId::from("ingest"), stream: StreamType::Auto }
    }
}

pub(crate) async fn ingest(config: Config, root: &Path, arguments: &cli::Ingest, format: Format) -> Result<Exit> {
    let plan = Plan::of(&arguments.logs)?;
    check_log_types(&config, &plan.log_types)?;
    let (inputs, unread) = found_files(&plan.paths)?;
    let product = Product::open(root, Purpose::Write("ingest")).await?;
    let content = content::detections(&config, &arguments.detections)?;
    let notice = |text: String| eprintln!("uncia: {text}");
    let walk = product.walk(&config, &content, Arc::new(SystemClock), &notice).await?;
    let summary = run(&walk, &config, &plan, inputs, product.dir().spool())
        .await
        .context("stopped; nothing is lost: what was committed stays, and the same command goes on from there")?;
    if let Some(detections) = &walk.generation().detections {
        tracing::info!("{}", detections.engine.totals());
    }
    if format == Format::Table {
        write_out(report(&summary).as_bytes())?;
    } else {
        write_out(format!("{}\n", serde_json::to_string(&summary)?).as_bytes())?;
    }
    Ok(if unread { Exit::Failed } else { Exit::Ok })
}

pub(crate) fn check_log_types(config: &Config, log_types: &[LogType]) -> Result<()> {
    let (schemas, _) = content::schemas(&config.schemas.folders)?;
    match log_types.iter().find(|log_type| schemas.get(log_type).is_none()) {
        Some(unknown) => {
            Err(ExitError::configuration(format!("there is no log type {unknown}; `uncia schema list` shows them")))
        }
        None => Ok(()),
    }
}

/// The files that the paths name; what is skipped is said, and naming no log at all is an error.
pub(crate) fn found_files(paths: &[PathBuf]) -> Result<(Vec<FileInput>, bool)> {
    let (inputs, problems) = uncia_sources::discover(paths);
    for problem in &problems {
        eprintln!("uncia: {problem}");
    }
    if inputs.is_empty() {
        anyhow::bail!("there is no log to take in");
    }
    Ok((inputs, problems.iter().any(uncia_sources::FileProblem::is_error)))
}

/// A file's payload and records, for commands that look at logs without taking them in.
pub(crate) fn records_of(
    input: &FileInput,
    source: &SourceId,
    log_types: &[LogType],
    stream: &StreamType,
    now: Timestamp,
) -> Result<(Payload, Records)> {
    let at_rest = input.at_rest(&std::env::temp_dir()).with_context(|| format!("cannot read {}", input.place()))?;
    let payload = at_rest.payload(source, &source.as_str().into(), input.place(), log_types, now);
    let splitter = product::splitter();
    let records = match &at_rest.body {
        Some(body) => splitter.read(&payload, body.reader(), Some(body.size), stream),
        None => splitter.records(&payload, stream),
    };
    Ok((payload, records))
}

/// Takes the files through the walk, with a progress bar for people.
pub(crate) async fn run(
    walk: &Walk,
    config: &Config,
    plan: &Plan,
    inputs: Vec<FileInput>,
    spool: PathBuf,
) -> Result<Summary> {
    let limits = BatchLimits { bytes: config.batch.max_bytes, records: config.batch.max_records };
    let bar = progress_bar(&inputs);
    let (sender, receiver) = mpsc::channel::<RawBatch>(1);
    let feeding = {
        let (handle, store, plan, bar) = (Handle::current(), walk.store().clone(), plan.clone(), bar.clone());
        let received = walk.clock().now();
        tokio::task::spawn_blocking(move || -> Result<u64> {
            let mut batcher = Batcher::new(limits).splitting(product::splitter());
            let label: Arc<str> = plan.source.as_str().into();
            let mut done_before = 0;
            for input in inputs {
                bar.set_message(input.place().to_string());
                let place = input.place();
                let unreadable = || format!("cannot read {place}");
                let at_rest = input.at_rest(&spool).with_context(unreadable)?;
                let payload = at_rest.payload(&plan.source, &label, place.clone(), &plan.log_types, received);
                let progress = handle.block_on(store.progress(&plan.source, &at_rest.key))?;
                if progress.as_ref().is_some_and(|progress| progress.complete) {
                    done_before += 1;
                    bar.inc(at_rest.size());
                    continue;
                }
                let records_done = progress.map_or(0, |progress| progress.records);
                let size = at_rest.size();
                let input = Input::new(payload, &plan.stream, records_done).reading(at_rest.body);
                if !batcher.add(input, &mut |batch| sender.blocking_send(batch).is_ok()).with_context(unreadable)? {
                    return Ok(done_before);
                }
                bar.inc(size);
            }
            if let Some(batch) = batcher.flush() {
                // The walk ended early if nobody listens; it says why itself.
                let _ = sender.blocking_send(batch);
            }
            Ok(done_before)
        })
    };
    let mut total = Summary::default();
    let walked = walk.run(receiver, |summary, _| total.add(summary)).await;
    let fed = feeding.await.context("the reading of files ended abnormally")?;
    bar.finish_and_clear();
    walked?;
    total.files_done_before = fed?;
    Ok(total)
}

fn progress_bar(inputs: &[FileInput]) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let size = inputs.iter().map(|input| input.size).sum();
    let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {elapsed} {wide_msg}");
    ProgressBar::new(size).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Rows per log type, as a table.
pub(crate) fn counts(summary: &Summary) -> Rows {
    let mut rows = Rows::new(&["log type", "events"]);
    for (log_type, count) in &summary.events {
        rows.rows.push(vec![log_type.as_str().into(), (*count).into()]);
    }
    rows
}

/// What a person wants to know of a run.
fn report(summary: &Summary) -> String {
    let mut text = String::new();
    if !summary.events.is_empty() {
        text += &counts(summary).render(Format::Table, false);
        text.push('\n');
    }
    text += &format!(
        "{} events, {} failures, {} matches, {} alerts",
        summary.event_count(),
        summary.failure_count(),
        summary.matches,
        summary.alert_count(),
    );
    if summary.filtered > 0 {
        text += &format!(", {} filtered", summary.filtered);
    }
    if summary.detection_errors > 0 {
        text += &format!(", {} detection errors", summary.detection_errors);
    }
    text.push('\n');
    for (reason, count) in &summary.failures {
        text += &format!("  {count} {reason}: see monitor.classification_failures\n");
    }
    for (severity, count) in summary.alerts.iter().rev() {
        text += &format!("  {count} {severity}\n");
    }
    if summary.files_done_before > 0 {
        text += &format!("{} files had been taken in before and added nothing\n", summary.files_done_before);
    }
    text
}
