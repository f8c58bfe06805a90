//! `uncia test` and `uncia conformance`: the unit tests that detections carry, run by the engine that runs them in earnest.

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressStyle};
use uncia_detection::{
    Conformance, Content, ContentRoot, Filter, MemoryCache, Optimise, Program, Rendering, TestOptions, TestReport,
    flip_expectations, test_content, tests_as_events,
};

use crate::cli;
use crate::commands::through_schemas;
use crate::config::Config;
use crate::content;
use crate::exit::{Exit, ExitError};
use crate::output::{Format, Rows, write_out};
use crate::product::start_engine;

/// `uncia test`
pub(crate) async fn test(config: &Config, arguments: &cli::Test, format: Format) -> Result<Exit> {
    let filters = arguments.filter.iter().map(|filter| filter.parse::<Filter>());
    let filters: Vec<Filter> =
        filters.collect::<Result<_, _>>().map_err(|error| ExitError::usage(error.to_string()))?;
    let content = load(&arguments.path)?;
    let options = TestOptions {
        filters,
        minimum_tests: arguments.minimum_tests,
        names: arguments.test_names.clone(),
        skip_disabled: arguments.skip_disabled_tests,
        ..TestOptions::default()
    };
    let report = run(config, &content, &options).await?;
    let mut text = String::new();
    if format == Format::Table {
        let colour = std::io::stdout().is_terminal();
        let rendering = Rendering { colour, failures_only: arguments.show_failures_only };
        text.extend(report.detections.iter().map(|detection| rendering.detection(detection)));
        text += &rendering.summary(&report, &arguments.path.display().to_string());
    } else {
        for row in report.rows() {
            text += &serde_json::to_string(&row)?;
            text.push('\n');
        }
        // Machines read tests; what is wrong with the content itself is still said.
        for problem in &report.problems {
            eprintln!("uncia: {problem}");
        }
    }
    write_out(text.as_bytes())?;
    Ok(if report.is_success() { Exit::Ok } else { Exit::Failed })
}

/// `uncia conformance`
pub(crate) async fn conformance(config: &Config, arguments: &cli::Conformance, format: Format) -> Result<Exit> {
    let mut content = load(&arguments.path)?;
    if arguments.through_schemas {
        let (schemas, errors) = content::schemas(&config.schemas.folders)?;
        errors.iter().for_each(|error| eprintln!("uncia: {error}"));
        let passage = through_schemas::pass(&mut content, schemas)?;
        for refused in &passage.refused {
            eprintln!("uncia: taken as written: {refused}");
        }
        let through = passage.events - passage.refused.len();
        eprintln!("{through} of {} events went through their schema, the others are taken as written", passage.events);
    }
    let flips = flip_expectations(&mut content, arguments.flip, arguments.seed);
    let mut config = config.clone();
    config.detections.optimise = arguments.optimise.unwrap_or(config.detections.optimise);
    let begun = tokio::time::Instant::now();
    let report = run(&config, &content, &TestOptions::default()).await?;
    eprintln!("the tests took {:.1} s", begun.elapsed().as_secs_f64());
    let differing = if flips.is_empty() { compare_modes(&config, &content).await? } else { 0 };
    let conformance = Conformance::of(&report);
    if format == Format::Table {
        write_out(conformance.to_string().as_bytes())?;
    } else {
        let mut rows = Rows::new(&["type", "detections", "passed", "failed", "not_run"]);
        for (kind, tally) in &conformance.by_type {
            rows.rows.push(vec![
                kind.as_str().into(),
                tally.detections.into(),
                tally.passed.into(),
                tally.failed.into(),
                tally.not_run.into(),
            ]);
        }
        rows.print(format)?;
    }
    let failed = conformance.total().failed;
    if !flips.is_empty() {
        eprintln!("{} expected results were turned round, {failed} tests failed", flips.len());
    }
    let rendering = Rendering { colour: std::io::stderr().is_terminal(), failures_only: true };
    if flips.is_empty() {
        report.detections.iter().for_each(|detection| eprint!("{}", rendering.detection(detection)));
    }
    Ok(if failed == flips.len() && report.invalid() == 0 && differing == 0 { Exit::Ok } else { Exit::Failed })
}

/// Judges the unit tests as events, in the configured mode and by Python alone; how many verdicts differ.
async fn compare_modes(config: &Config, content: &Content) -> Result<usize> {
    let mut program = Program::from(content);
    // What is not enabled is tested too.
    program.detections.iter_mut().for_each(|detection| detection.enabled = true);
    let mut config = config.clone();
    // One worker: rules that remember see the events in one order.
    config.detections.workers = Some(1);
    let mode = config.detections.optimise;
    let mut judged = Vec::new();
    for optimise in [mode, Optimise::Off] {
        config.detections.optimise = optimise;
        let engine = start_engine(&config, program.clone(), Arc::new(MemoryCache::default())).await?;
        judged.push(tests_as_events(content, &engine).await);
        engine.shutdown().await;
    }
    let [optimised, plain] = &judged[..] else { return Ok(0) };
    let differing = optimised.differing(plain);
    let (tests, expected) = (optimised.verdicts.len(), optimised.as_expected());
    eprintln!(
        "as events, optimise = {}: {tests} tests, {expected} as expected, {} unlike Python alone",
        mode.as_str(),
        differing.len()
    );
    eprintln!("{}", optimised.stats);
    differing.iter().for_each(|test| eprintln!("  differs: {test}"));
    Ok(differing.len())
}

fn load(path: &Path) -> Result<Content> {
    path.metadata().with_context(|| format!("cannot read the detections in {}", path.display()))?;
    Ok(Content::load([ContentRoot::from(path)]))
}

async fn run(config: &Config, content: &Content, options: &TestOptions) -> Result<TestReport> {
    let engine = start_engine(config, Program::from(content), Arc::new(MemoryCache::default())).await?;
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} tests {elapsed}") {
        bar.set_style(style);
    }
    let report = test_content(content, &engine, options, &|progress| {
        bar.set_length(progress.total as u64);
        bar.set_position(progress.done as u64);
    })
    .await;
    bar.finish_and_clear();
    engine.shutdown().await;
    Ok(report)
}
