//! `uncia demo`: an attack on a Snowflake and an AWS account, played through the real walk into a temporary directory.
//!
//! Time is the story's: each hour of it is a batch that is sealed at that hour, so alerts carry the story's times and two
//! runs with one seed are equal to the last row. Nothing is needed beforehand and nothing stays behind.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use tokio::sync::mpsc;
use uncia_document::Timestamp;
use uncia_lake::Lake as _;
use uncia_model::{Clock, LogType, ManualClock, Origin, Payload, SourceId};
use uncia_pipeline::state::When;
use uncia_pipeline::{Batcher, Input, Summary, Walk};
use uncia_processing::StreamType;
use uncia_store::AlertFilter;

use crate::cli::{self, Global};
use crate::commands::ingest;
use crate::commands::snowflake_pull::{self, Run};
use crate::config::Config;
use crate::content;
use crate::demo::account::{DemoAccount, LATENESS_MICROS, is_pulled};
use crate::demo::story::{StoryEvent, changes, story};
use crate::exit::Exit;
use crate::output::{Format, write_out};
use crate::product::{Product, Purpose};

/// When the story begins: 2026-03-02 00:00 UTC, a Monday.
const START: Timestamp = Timestamp::from_seconds(1_772_409_600, 0);
const HOUR_MICROS: i64 = 3_600_000_000;
/// How much older than the story the Snowflake account is, and how long ago we were let in.
const ACCOUNT_MICROS: i64 = 100 * 24 * HOUR_MICROS;
const SET_UP_MICROS: i64 = 24 * HOUR_MICROS;

pub(crate) async fn demo(config: Config, global: &Global, arguments: &cli::Demo) -> Result<Exit> {
    let temporary = TemporaryDir::new(global.data_dir.clone())?;
    let product = Product::open(&temporary.path, Purpose::Write("demo")).await?;
    let clock = Arc::new(ManualClock::at(START));
    let notice = |text: String| eprintln!("uncia: {text}");
    let loaded = content::detections(&config, &[])?;
    let walk = product.walk(&config, &loaded, clock.clone(), &notice).await?;

    let summary = if arguments.data.is_empty() {
        eprintln!("Playing a day at a company with an AWS and a Snowflake account (seed {}) …", arguments.seed);
        play(&walk, &config, &product, &clock, &story(arguments.seed, START)).await?
    } else {
        let plan = ingest::Plan { paths: arguments.data.clone(), ..ingest::Plan::default() };
        let (inputs, _) = ingest::found_files(&plan.paths)?;
        ingest::run(&walk, &config, &plan, inputs, product.dir().spool()).await?
    };
    let out = report(&product, &summary, &temporary.path, arguments).await?;
    write_out(out.as_bytes())?;
    if !arguments.once {
        eprintln!("\nThe data stays at {} until you press Ctrl-C.", temporary.path.display());
        tokio::signal::ctrl_c().await.context("cannot wait for Ctrl-C")?;
    }
    Ok(Exit::Ok)
}

/// Feeds the story hour by hour, the clock at the hour's end: what AWS sends comes by itself, one payload per log type, and the
/// Snowflake account is pulled.
async fn play(
    walk: &Walk,
    config: &Config,
    product: &Product,
    clock: &Arc<ManualClock>,
    events: &[StoryEvent],
) -> Result<Summary> {
    let shared: Arc<dyn Clock> = clock.clone();
    clock.set(Timestamp::from_micros(START.micros - ACCOUNT_MICROS));
    let account = DemoAccount::open(events, product.store(), &shared).await?;
    clock.set(Timestamp::from_micros(START.micros - SET_UP_MICROS));
    account.let_in()?;
    clock.set(START);
    let mut total = Summary::default();
    // The first pull is the one after which nothing is history any more.
    total.add(&pull(walk, config, &account).await?);
    let last = events.last().map_or(START.micros, |event| event.at.micros + LATENESS_MICROS);
    let mut changes = changes(START).into_iter().peekable();
    let mut rest: &[StoryEvent] = &events.iter().filter(|event| !is_pulled(event)).cloned().collect::<Vec<_>>();
    for hour in 0..=(last - START.micros).div_euclid(HOUR_MICROS) {
        let end = START.micros + (hour + 1) * HOUR_MICROS;
        let within = rest.iter().take_while(|event| event.at.micros < end).count();
        let (now, later) = rest.split_at(within);
        rest = later;
        while let Some(change) = changes.next_if(|change| change.at.micros < end) {
            clock.set(change.at);
            account.change(&change)?;
        }
        clock.set(Timestamp::from_micros(end));
        total.add(&walk_hour(walk, hour, now, clock.now()).await?);
        total.add(&pull(walk, config, &account).await?);
    }
    Ok(total)
}

async fn pull(walk: &Walk, config: &Config, account: &DemoAccount) -> Result<Summary> {
    let Run { summary, views, snapshots, posture } =
        snowflake_pull::run(walk, config, &account.puller, Some(When::Due)).await?;
    for (view, snapshot) in snapshots.context("no snapshot of the story's Snowflake account can be taken")? {
        snapshot.with_context(|| format!("no snapshot of the story's {} can be taken", view.name))?;
    }
    posture.context("the story's Snowflake account cannot be judged")?;
    for (view, pulled) in views.context("the story's Snowflake account cannot be pulled")? {
        pulled.with_context(|| format!("the story's {} cannot be pulled", view.name))?;
    }
    Ok(summary)
}

async fn walk_hour(walk: &Walk, hour: i64, events: &[StoryEvent], received: Timestamp) -> Result<Summary> {
    let mut log_types: Vec<&str> = events.iter().map(|event| event.log_type).collect();
    log_types.sort_unstable();
    log_types.dedup();
    let mut batcher = Batcher::new(uncia_pipeline::BatchLimits::default());
    let mut batches = Vec::new();
    for log_type in log_types {
        let mut lines = String::new();
        for event in events.iter().filter(|event| event.log_type == log_type) {
            lines.push_str(&event.raw);
            lines.push('\n');
        }
        let origin = Origin {
            source: SourceId::from("demo"),
            source_label: "demo".into(),
            key: format!("story:{hour}:{log_type}").into(),
            place: None,
        };
        let payload =
            Payload { origin, bytes: lines.into(), received, log_types: vec![LogType::from(log_type)], head: None };
        batcher.add(Input::new(payload, &StreamType::Lines, 0), &mut |batch| {
            batches.push(batch);
            true
        })?;
    }
    batches.extend(batcher.flush());
    let (sender, receiver) = mpsc::channel(batches.len().max(1));
    for batch in batches {
        sender.try_send(batch).ok().context("the channel holds all batches")?;
    }
    drop(sender);
    let mut total = Summary::default();
    walk.run(receiver, |summary, _| total.add(summary)).await?;
    Ok(total)
}

async fn report(product: &Product, summary: &Summary, dir: &std::path::Path, arguments: &cli::Demo) -> Result<String> {
    let mut text = String::from("\nWhat came in\n\n");
    text += &indented(&ingest::counts(summary).render(Format::Table, false));
    let found = product.store().alerts(&AlertFilter::default()).await?;
    text += &format!("\n{} alerts\n\n", found.len());
    for alert in found.iter().rev() {
        let time: String = alert.created().to_string().chars().take(16).collect();
        text += &format!("  {:<8} {time}  {}  ({})\n", alert.severity, alert.title, alert.id.as_str().split_at(8).0);
    }
    text += "\nTry, in another terminal\n\n";
    let program = std::env::current_exe().map_or_else(|_| "uncia".to_owned(), |path| path.display().to_string());
    let program = format!("{program} --data-dir {}", dir.display());
    let queries: &[&str] = if arguments.data.is_empty() {
        &[
            "SELECT p_event_time, user_name, client_ip, second_authentication_factor FROM logs.snowflake_loginhistory WHERE second_authentication_factor IS NULL ORDER BY 1",
            "SELECT p_log_type, count(*) AS events, min(p_event_time) AS first, max(p_event_time) AS last FROM views.all_logs WHERE array_contains('203.0.113.66'::variant, p_any_ip_addresses) GROUP BY 1",
            "SELECT p_event_time, eventName, userIdentity.userName, sourceIPAddress FROM logs.aws_cloudtrail WHERE sourceIPAddress = '203.0.113.66' ORDER BY 1",
        ]
    } else {
        &[
            "SELECT p_log_type, count(*) AS events, min(p_event_time) AS first, max(p_event_time) AS last FROM views.all_logs GROUP BY 1",
        ]
    };
    if let Some(alert) = found.first() {
        text += &format!("  {program} alerts show {}\n", alert.id.as_str().split_at(8).0);
    }
    if arguments.data.is_empty() {
        text += &format!("  {program} snowflake posture --history\n");
    }
    for query in queries {
        text += &format!("  {program} query \"{query}\"\n");
    }
    for query in queries {
        // A query that is shown must work; it is run once here, and its answer counted.
        let output = product.lake().query(query).await.with_context(|| format!("the demo's own query {query}"))?;
        let rows = futures::TryStreamExt::try_fold(output.rows, 0, |count, _| async move { Ok(count + 1) }).await?;
        tracing::info!("{rows} rows: {query}");
    }
    Ok(text)
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

/// Removed when the demo ends, unless the user named a directory.
struct TemporaryDir {
    path: PathBuf,
    remove: bool,
}

impl TemporaryDir {
    fn new(named: Option<PathBuf>) -> Result<Self> {
        if let Some(path) = named {
            return Ok(Self { path, remove: false });
        }
        let path = std::env::temp_dir().join(format!("uncia-demo-{}", std::process::id()));
        std::fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { path, remove: true })
    }
}

impl Drop for TemporaryDir {
    fn drop(&mut self) {
        if self.remove
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            eprintln!("uncia: cannot remove {}: {error}", self.path.display());
        }
    }
}
