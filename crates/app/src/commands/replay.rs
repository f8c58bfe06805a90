//! `uncia replay`: what detections would have found in the lake's history. Makes no alert and no row, and works beside a
//! running `uncia serve`, in processes of its own that yield to it.

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use uncia_alerting::{Deduplicator, Routes};
use uncia_detection::{AnalysisType, Content, Engine, EngineConfig, MemoryCache, RuleSpec};
use uncia_document::Timestamp;
use uncia_model::{Clock as _, LogType, SystemClock};
use uncia_pipeline::Lookups;
use uncia_pipeline::history::{self, Forecast, HistoricMatch, Judges, Listener, OfDetection, Passed, Period};

use crate::cli;
use crate::commands::ingest::check_log_types;
use crate::config::Config;
use crate::content;
use crate::exit::{Exit, ExitError};
use crate::output::{Format, Rows, write_out};
use crate::product::{Product, Purpose, facts, judged_log_types, program};

pub(crate) async fn replay(config: &Config, root: &Path, arguments: &cli::Replay, format: Format) -> Result<Exit> {
    let period = period(config, arguments)?;
    let product = Product::open(root, Purpose::Read).await?;
    let content = chosen(config, arguments)?;
    let log_types = judged_log_types(&content);
    let period = match &*period.log_types {
        [] => Period { log_types: log_types.into_iter().collect(), ..period },
        _ => period,
    };
    if !arguments.no_yield {
        uncia_detection::yield_to_others().context("cannot yield to other processes")?;
    }
    let engine = EngineConfig { yields: !arguments.no_yield, ..product.engine_config(config)? };
    let engine = Engine::start(program(config, &content), engine, Arc::new(MemoryCache::default())).await;
    let engine = engine.map_err(|error| ExitError::configuration(error.to_string()))?;
    let setup_errors = engine.setup_errors();
    for (id, error) in &setup_errors {
        eprintln!("uncia: detection {id} does not load: {error}");
    }
    let deduplicator = Deduplicator::new(facts(&content), Routes::default());
    let mut heard = Heard { bar: progress_bar(), text: Vec::new(), prints: format == Format::Ndjson, failed: None };
    let lookups = Lookups::default();
    let (schemas, _) = content::schemas(&config.schemas.folders)?;
    product.load_lookups(&lookups, config, &content, &schemas, &|text| eprintln!("uncia: {text}")).await;
    let judges = Judges { engine: &engine, deduplicator: &deduplicator, enricher: &lookups.get() };
    let begun = tokio::time::Instant::now();
    let forecast = history::over_history(&**product.lake(), judges, &period, &mut heard).await;
    heard.bar.finish_and_clear();
    engine.shutdown().await;
    let forecast = forecast.context("the history cannot be read")?;
    heard.flush()?;
    print(&forecast, format)?;
    let seconds = begun.elapsed().as_secs_f64();
    eprintln!(
        "{} events, {} pairs of event and detection in {seconds:.1} s; nothing was written",
        forecast.event_count(),
        forecast.pairs
    );
    Ok(if setup_errors.is_empty() { Exit::Ok } else { Exit::Failed })
}

fn period(config: &Config, arguments: &cli::Replay) -> Result<Period> {
    let now = SystemClock.now();
    let from = instant(&arguments.from, now)?;
    let to = arguments.to.as_deref().map_or(Ok(now), |text| instant(text, now))?;
    if from >= to {
        return Err(ExitError::usage(format!("--from {from} must be before --to {to}")));
    }
    let log_types: Vec<LogType> = arguments.log_types.iter().map(LogType::new).collect();
    check_log_types(config, &log_types)?;
    Ok(Period { from, to, log_types })
}

/// `2026-01-31T12:00:00Z`, `2026-01-31` (its beginning in UTC), or an age such as `90m`, `24h` and `7d`.
fn instant(text: &str, now: Timestamp) -> Result<Timestamp> {
    let day = format!("{text}T00:00:00Z");
    if let Some(micros) = uncia_detection::instant(text).or_else(|| uncia_detection::instant(&day)) {
        return Ok(Timestamp::from_micros(micros));
    }
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        _ => 0,
    };
    let count = text.get(..text.len().saturating_sub(1)).and_then(|count| count.parse::<u32>().ok());
    match count {
        Some(count) if unit > 0 => Ok(Timestamp::from_micros(now.micros - i64::from(count) * unit * 1_000_000)),
        _ => Err(ExitError::usage(format!(
            "`{text}` is no instant; write 2026-01-31T12:00:00Z, 2026-01-31, or an age such as 24h or 7d"
        ))),
    }
}

/// The content with the rules that were asked for enabled, and no others.
fn chosen(config: &Config, arguments: &cli::Replay) -> Result<Content> {
    let mut content = content::detections(config, &arguments.content)?;
    for problem in &content.problems {
        eprintln!("uncia: {problem}");
    }
    let judges_events = |rule: &RuleSpec| rule.analysis_type == AnalysisType::Rule;
    let named =
        |name: &String| content.rules.iter().any(|rule| judges_events(rule) && rule.id.as_str() == name.as_str());
    if let Some(unknown) = arguments.rules.iter().find(|name| !named(name)) {
        return Err(ExitError::usage(format!("there is no rule {unknown}; `uncia detections list` shows them")));
    }
    let is_in = |rule: &RuleSpec| arguments.content.iter().any(|folder| Path::new(&rule.file).starts_with(folder));
    for rule in &mut content.rules {
        rule.enabled = judges_events(rule)
            && if arguments.rules.is_empty() {
                rule.enabled && (arguments.content.is_empty() || is_in(rule))
            } else {
                arguments.rules.iter().any(|name| rule.id.as_str() == name.as_str())
            };
    }
    if content.rules.iter().any(|rule| rule.enabled) {
        Ok(content)
    } else {
        Err(ExitError::usage("no rule is enabled that judges events; name one with --rule"))
    }
}

/// Shows where the run is, and prints matches as they come if asked to.
struct Heard {
    bar: ProgressBar,
    text: Vec<u8>,
    prints: bool,
    failed: Option<anyhow::Error>,
}

impl Listener for Heard {
    fn passed(&mut self, passed: Passed) {
        self.bar.set_length(passed.of);
        self.bar.set_position(passed.events);
    }

    fn found(&mut self, found: &HistoricMatch) {
        if !self.prints {
            return;
        }
        let HistoricMatch { time, row_id, log_type, matched } = found;
        let line = json!({
            "p_event_time": time.to_string(),
            "p_row_id": row_id,
            "p_log_type": log_type,
            "p_rule_id": matched.detection,
            "severity": matched.severity,
            "title": matched.title,
            "dedup": matched.dedup,
            "alert_context": matched.alert_context,
        });
        self.text.extend_from_slice(line.to_string().as_bytes());
        self.text.push(b'\n');
        if self.text.len() >= 1 << 20
            && let Err(error) = self.flush()
        {
            self.failed.get_or_insert(error);
        }
    }
}

impl Heard {
    fn flush(&mut self) -> Result<()> {
        let written = write_out(&self.text);
        self.text.clear();
        self.failed.take().map_or(written, Err)
    }
}

fn progress_bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} events {per_sec} {elapsed}");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn print(forecast: &Forecast, format: Format) -> Result<()> {
    match format {
        Format::Ndjson => Ok(()),
        Format::Json => write_out(format!("{}\n", serde_json::to_string(forecast)?).as_bytes()),
        Format::Table | Format::Csv => {
            let mut rows = Rows::new(&["detection", "matches", "groups", "alerts", "errors", "most frequent title"]);
            let mut detections: Vec<_> = forecast.detections.iter().collect();
            detections.sort_by_key(|(_, of)| std::cmp::Reverse((of.alert_count(), of.matches)));
            for (id, of) in detections {
                rows.rows.push(vec![
                    id.as_str().into(),
                    of.matches.into(),
                    of.groups.into(),
                    of.alert_count().into(),
                    of.errors.into(),
                    most_frequent(of).into(),
                ]);
            }
            rows.print(format)
        }
    }
}

/// A title, or without alerts an error.
fn most_frequent(of: &OfDetection) -> Option<&str> {
    let texts = if of.titles.is_empty() { &of.error_messages } else { &of.titles };
    texts.iter().max_by_key(|(_, count)| **count).map(|(text, _)| text.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_and_ages() {
        let now = Timestamp::from_seconds(1_700_000_000, 0);
        let at = |text: &str| instant(text, now).map(|time| time.to_string()).map_err(|error| error.to_string());
        assert_eq!(at("2024-01-31").unwrap(), "2024-01-31 00:00:00.000000000");
        assert_eq!(at("2024-01-31T10:00:00+02:00").unwrap(), "2024-01-31 08:00:00.000000000");
        assert_eq!(at("90m").unwrap(), Timestamp::from_seconds(1_700_000_000 - 5_400, 0).to_string());
        assert_eq!(at("7d").unwrap(), Timestamp::from_seconds(1_700_000_000 - 7 * 86_400, 0).to_string());
        for wrong in ["", "d", "yesterday", "-1d", "7w", "é"] {
            assert!(at(wrong).unwrap_err().contains("is no instant"), "{wrong}");
        }
    }
}
