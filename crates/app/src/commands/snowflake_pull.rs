//! `uncia snowflake pull`: the audit views of the configured accounts through the whole walk, once; and
//! `uncia snowflake status`, which says how far they are read.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use uncia_document::Timestamp;
use uncia_model::{Clock, SystemClock};
use uncia_pipeline::alarm;
use uncia_pipeline::batch::RawBatch;
use uncia_pipeline::posture::{self, Posture};
use uncia_pipeline::pull::forward;
use uncia_pipeline::state::{self, Snapshot, StateError, When};
use uncia_pipeline::{BatchLimits, Batcher, Input, Summary, Walk, WalkError};
use uncia_snowflake::state::StateView;
use uncia_snowflake::views::AuditView;
use uncia_sources::snowflake::{AccountPuller, Parcel, PullError, Pulled};
use uncia_store::Store;

use crate::config::Config;
use crate::content;
use crate::exit::{Exit, ExitError};
use crate::output::{Format, Rows};
use crate::product::{Product, Purpose};
use crate::{snowflake, vault};

/// A batch is sealed when nothing came for so long: its rows are waited for.
const LULL: Duration = Duration::from_millis(20);

/// A view with what its pull came to.
pub(crate) type ViewRun = (&'static AuditView, Result<Pulled, PullError>);
/// A state view with what its snapshot came to.
pub(crate) type StateRun = (&'static StateView, Result<Snapshot, StateError>);

/// What the pull of an account came to.
pub(crate) struct Run {
    pub(crate) summary: Summary,
    pub(crate) views: Result<Vec<ViewRun>, PullError>,
    pub(crate) snapshots: Result<Vec<StateRun>, StateError>,
    /// `None` if there was no new state.
    pub(crate) posture: Result<Option<Posture>, WalkError>,
}

pub(crate) async fn pull(
    config: Config,
    root: &Path,
    only: Option<&str>,
    with_state: bool,
    format: Format,
) -> Result<Exit> {
    if config.sources.snowflake.is_empty() {
        return Err(ExitError::configuration("no Snowflake source is configured: add [[sources.snowflake]]"));
    }
    let product = Product::open(root, Purpose::Write("snowflake pull")).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let vault = vault::of(&config, product.dir().root(), product.store(), &clock);
    let pullers = snowflake::pullers(&config, only, product.store(), &vault, &clock)?;
    let content = content::detections(&config, &[])?;
    let notice = |text: String| eprintln!("uncia: {text}");
    let walk = product.walk(&config, &content, clock, &notice).await?;
    let columns = ["source", "view", "read", "new", "revised", "late", "stubs", "problem"];
    let mut rows = Rows::new(&columns);
    let (mut failed, mut refused) = (false, false);
    let mut total = Summary::default();
    for puller in pullers {
        let Run { summary, views, snapshots, posture } =
            run(&walk, &config, &puller, with_state.then_some(When::Now)).await?;
        total.add(&summary);
        let source = puller.config().id.as_str();
        let problem = |error: String| {
            let mut cells = vec![serde_json::Value::Null; columns.len()];
            (cells[0], cells[7]) = (source.into(), error.into());
            cells
        };
        failed |= views.is_err() || snapshots.is_err();
        refused |= matches!(&views, Err(PullError::Snowflake(error)) if error.is_auth());
        match posture {
            Ok(posture) => posture.iter().for_each(|posture| tell_posture(source, posture)),
            Err(error) => {
                failed = true;
                rows.rows.push(problem(error.to_string()));
            }
        }
        match views {
            Ok(views) => {
                failed |= views.iter().any(|(_, pulled)| pulled.is_err());
                rows.rows.extend(views.iter().map(|(view, pulled)| row(source, view, pulled)));
            }
            Err(error) => rows.rows.push(problem(error.to_string())),
        }
        match snapshots {
            Ok(views) => {
                failed |= views.iter().any(|(_, snapshot)| snapshot.is_err());
                rows.rows.extend(views.iter().map(|(view, snapshot)| state_row(source, view, snapshot)));
            }
            Err(error) => rows.rows.push(problem(error.to_string())),
        }
    }
    rows.print(format)?;
    eprintln!("{} matches, {} alerts", total.matches, total.alert_count());
    Ok(match (refused, failed) {
        (true, _) => Exit::Authentication,
        (false, true) => Exit::Failed,
        (false, false) => Exit::Ok,
    })
}

/// Pulls one account through the walk, takes the snapshots that are wanted and judges them.
pub(crate) async fn run(walk: &Walk, config: &Config, puller: &AccountPuller, state_when: Option<When>) -> Result<Run> {
    let limits = BatchLimits { bytes: config.batch.max_bytes, records: config.batch.max_records };
    let (sender, receiver) = mpsc::channel::<RawBatch>(1);
    let (parcels, pulled_parcels) = mpsc::channel::<Parcel>(2);
    let (inputs, mut taken) = mpsc::channel::<Input>(1);
    let feeding = {
        let handle = Handle::current();
        tokio::task::spawn_blocking(move || -> Result<()> {
            let mut batcher = Batcher::new(limits);
            loop {
                let came = match handle.block_on(async { tokio::time::timeout(LULL, taken.recv()).await }) {
                    Ok(came) => came,
                    Err(_) if batcher.is_empty() => taken.blocking_recv(),
                    Err(_) => {
                        if let Some(batch) = batcher.flush()
                            && sender.blocking_send(batch).is_err()
                        {
                            return Ok(());
                        }
                        continue;
                    }
                };
                let Some(input) = came else { break };
                if !batcher.add(input, &mut |batch| sender.blocking_send(batch).is_ok())? {
                    return Ok(());
                }
            }
            if let Some(batch) = batcher.flush() {
                // The walk ended early if nobody listens; it says why itself.
                let _ = sender.blocking_send(batch);
            }
            Ok(())
        })
    };
    let mut total = Summary::default();
    let pulling = async {
        let pulled = tokio::join!(
            async {
                let pulled = puller.pull(&parcels).await;
                drop(parcels);
                pulled
            },
            forward(pulled_parcels, inputs.clone())
        )
        .0;
        let snapshots = match state_when {
            Some(when) => state::take(walk, puller, &inputs, when).await,
            None => Ok(Vec::new()),
        };
        drop(inputs);
        let posture = match state_when {
            Some(_) => posture::judge(walk, &puller.config().id, puller.config().label()).await,
            None => Ok(None),
        };
        (pulled, snapshots, posture)
    };
    let (walked, (pulled, snapshots, posture)) =
        tokio::join!(walk.run(receiver, |summary, _| total.add(summary)), pulling);
    feeding.await.context("the feeding of rows ended abnormally")??;
    walked?;
    alarm::judge_pull(walk, puller.config(), &pulled).await;
    if let Ok(Some(posture)) = &posture {
        total.add(&posture.summary);
    }
    Ok(Run { summary: total, views: pulled, snapshots, posture })
}

fn tell_posture(source: &str, posture: &Posture) {
    let Posture { failed, passed, not_applicable, errors, begun, ended, .. } = posture;
    eprintln!(
        "posture of {source}: {failed} controls fail, {passed} pass, {not_applicable} do not apply; \
         {begun} violations began, {ended} ended"
    );
    errors.iter().for_each(|error| eprintln!("uncia: {error}"));
}

fn row(source: &str, view: &AuditView, pulled: &Result<Pulled, PullError>) -> Vec<serde_json::Value> {
    let mut cells = vec![source.into(), view.feed().into()];
    match pulled {
        Ok(pulled) => {
            let counts = [pulled.read, pulled.new, pulled.revised, pulled.late, pulled.stubs];
            cells.extend(counts.map(serde_json::Value::from));
            cells.push(pulled.absent.then_some("the account does not have this view").into());
        }
        Err(error) => {
            cells.extend(std::iter::repeat_n(serde_json::Value::Null, 5));
            cells.push(error.to_string().into());
        }
    }
    cells
}

/// Of a snapshot, `new` counts the rows that came and `revised` the changes that were told.
fn state_row(source: &str, view: &StateView, snapshot: &Result<Snapshot, StateError>) -> Vec<serde_json::Value> {
    let mut cells = vec![source.into(), view.feed().into()];
    match snapshot {
        Ok(Snapshot { rows, added, changes, unfit, absent, .. }) => {
            cells.extend([*rows, *added, *changes, 0, *unfit].map(serde_json::Value::from));
            cells.push(absent.clone().into());
        }
        Err(error) => {
            cells.extend(std::iter::repeat_n(serde_json::Value::Null, 5));
            cells.push(error.to_string().into());
        }
    }
    cells
}

pub(crate) async fn status(store: &Store, format: Format) -> Result<Exit> {
    let columns = ["source", "view", "read_to", "newest_row", "asked_at", "swept_at", "found_late", "stubs", "problem"];
    let mut rows = Rows::new(&columns);
    let time = |micros: Option<i64>| micros.map(|micros| Timestamp::from_micros(micros).to_string());
    for status in store.pull_statuses().await? {
        let position = status.position;
        rows.rows.push(vec![
            status.source.as_str().into(),
            status.view.into(),
            time(position.map(|position| position.watermark_micros)).into(),
            time(status.newest_micros).into(),
            time(status.checked_micros).into(),
            time(position.map(|position| position.swept_micros)).into(),
            status.found_late.into(),
            status.cut_short.into(),
            status.problem.into(),
        ]);
    }
    rows.print(format)?;
    Ok(Exit::Ok)
}
