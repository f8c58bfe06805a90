//! What is wrong with the sources themselves: told by a system alert each, which ends when the trouble does.
//!
//! ```text
//!  pulls, silence, consents ─▶ raise | clear ─▶ store: alarm + alert + outbox, one transaction
//! ```
//!
//! An alarm that cannot be written is said in the log and nothing more: trouble with telling must not stop the work itself.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uncia_alerting::alarm::alert_of;
use uncia_document::Timestamp;
use uncia_model::{Alarm, AlarmKind, SourceId};
use uncia_snowflake::views::AuditView;
use uncia_sources::SnowflakeSourceConfig;
use uncia_sources::snowflake::{PullError, Pulled};
use uncia_store::{PullStatus, StoreError};

use crate::walk::Walk;

/// How often sources are looked at for silence.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Trouble that goes away by itself is told when an account was not read for three intervals, but for so long at least.
const PATIENCE: i64 = 3_600 * 1_000_000;
const MINUTE: i64 = 60 * 1_000_000;
/// Events too large are told of once a day.
const OVERSIZED_AGAIN: Duration = Duration::from_secs(86_400);

/// A source, and the silence that is allowed to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    pub source: SourceId,
    pub allowed: Duration,
}

impl Walk {
    /// Raises an alarm, unless it stands; after `again` it is told once more, however.
    pub async fn raise(&self, alarm: &Alarm, again: Option<Duration>) {
        let now = self.clock().now().micros;
        let (alert, deliveries) = alert_of(alarm, self.generation().deduplicator.routes(), now);
        let since = again.map_or(i64::MIN, |again| now.saturating_sub(micros(again)));
        match self.store().raise_alarm(alarm, &alert, &deliveries, since).await {
            Ok(true) => tracing::error!("{}: {}", alarm.title, alarm.description),
            Ok(false) => {}
            Err(error) => tracing::error!("{}, but no alert can tell so: {error}", alarm.title),
        }
    }

    /// Ends an alarm, if it stands.
    pub async fn clear(&self, kind: AlarmKind, subject: &str) {
        match self.store().clear_alarm(kind, subject, self.clock().now().micros).await {
            Ok(Some(alert)) => tracing::info!("{} of {subject} is over; alert {alert} is resolved", kind.as_str()),
            Ok(None) => {}
            Err(error) => tracing::warn!("{} of {subject} cannot be cleared: {error}", kind.as_str()),
        }
    }
}

/// Looks at the sources once a minute until the stop.
pub async fn watch_silence(walk: &Walk, sources: &[Silence], stop: CancellationToken) {
    while !sources.is_empty() {
        if let Err(error) = look_for_silence(walk, sources).await {
            tracing::warn!("cannot tell which sources are silent: {error}");
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Raises the alarm of each source that was silent for longer than it may, and clears it of those that are not.
pub async fn look_for_silence(walk: &Walk, sources: &[Silence]) -> Result<(), StoreError> {
    let now = walk.clock().now().micros;
    let counters = walk.store().counters().await?;
    for Silence { source, allowed } in sources {
        let last = counters.iter().filter(|counter| counter.source == *source).map(|counter| counter.last_micros).max();
        let begun = match last {
            Some(last) => last,
            // One that never had anything is silent since we know it.
            None => known_since(walk, source, now).await?,
        };
        if now.saturating_sub(begun) <= micros(*allowed) {
            walk.clear(AlarmKind::SourceNoData, source.as_str()).await;
            continue;
        }
        let since = Timestamp::from_micros(begun);
        let alarm = Alarm {
            kind: AlarmKind::SourceNoData,
            subject: source.to_string(),
            title: format!("Source {source} sends nothing"),
            description: match last {
                Some(_) => format!("The last events came at {since}. Look at the sender, and at `uncia sources`."),
                None => format!("Nothing has come since it was configured, at {since}. Look at the sender."),
            },
        };
        walk.raise(&alarm, None).await;
    }
    Ok(())
}

async fn known_since(walk: &Walk, source: &SourceId, now: i64) -> Result<i64, StoreError> {
    let name = format!("source {source} known since");
    let known = walk.store().fact(&name).await?.and_then(|text| text.parse().ok());
    if let Some(known) = known {
        return Ok(known);
    }
    walk.store().set_fact(&name, &now.to_string()).await?;
    Ok(now)
}

/// What one pull of an account says of it.
pub type PulledViews = Result<Vec<(&'static AuditView, Result<Pulled, PullError>)>, PullError>;

/// Raises and clears what a pull has shown of its account.
pub async fn judge_pull(walk: &Walk, config: &SnowflakeSourceConfig, pulled: &PulledViews) {
    let mut troubles: Vec<(String, &PullError)> = Vec::new();
    let mut oversized = 0;
    match pulled {
        Ok(views) => {
            for (view, pulled) in views {
                match pulled {
                    Ok(pulled) => oversized += pulled.stubs,
                    Err(error) => troubles.push((format!("{}: {error}", view.feed()), error)),
                }
            }
        }
        Err(error) => troubles.push((error.to_string(), error)),
    }
    if troubles.iter().any(|(_, error)| error.is_ours()) {
        return;
    }
    let id = config.id.as_str();
    let said = |wanted: bool| {
        let chosen = troubles.iter().filter(|(_, error)| error.needs_somebody() == wanted);
        chosen.map(|(text, _)| text.as_str()).collect::<Vec<_>>().join("\n")
    };
    let (refused, failing) = (said(true), said(false));
    if !refused.is_empty() {
        let title = format!("Snowflake source {id} is refused");
        let description =
            format!("{refused}\nNothing is lost: pulls go on where they ended. `uncia snowflake check {id}`");
        let kind = AlarmKind::SourcePermissionsChecks;
        walk.raise(&Alarm { kind, subject: id.to_owned(), title, description }, None).await;
    } else if failing.is_empty() {
        walk.clear(AlarmKind::SourcePermissionsChecks, id).await;
    }
    if failing.is_empty() {
        walk.clear(AlarmKind::SourceLogProcessingErrors, id).await;
    } else if is_overdue(walk, config).await {
        let title = format!("Snowflake source {id} cannot be pulled");
        let description = format!("{failing}\nNothing is lost: pulls go on where they ended.");
        let kind = AlarmKind::SourceLogProcessingErrors;
        walk.raise(&Alarm { kind, subject: id.to_owned(), title, description }, None).await;
    }
    if oversized > 0 {
        let title = format!("Snowflake source {id} has rows that are too large");
        let description = format!(
            "{oversized} rows of a pull are kept as stubs that say who and when; `uncia snowflake status` counts them."
        );
        let kind = AlarmKind::SourceOversizedEvents;
        walk.raise(&Alarm { kind, subject: id.to_owned(), title, description }, Some(OVERSIZED_AGAIN)).await;
    }
}

/// Whether some view was not read for so long that a passing trouble is none.
async fn is_overdue(walk: &Walk, config: &SnowflakeSourceConfig) -> bool {
    let allowed = (3 * i64::from(config.interval_minutes) * MINUTE).max(PATIENCE);
    let oldest = walk.clock().now().micros.saturating_sub(allowed);
    let statuses = match walk.store().pull_statuses().await {
        Ok(statuses) => statuses,
        Err(error) => {
            tracing::warn!("cannot tell when {} was read last: {error}", config.id);
            return false;
        }
    };
    // Snapshots and their judgement go by other clocks, and views that are no longer pulled by none.
    let feeds: Vec<String> = config.audit_views().iter().map(|view| view.feed()).collect();
    let is_pulled = |status: &&PullStatus| status.source == config.id && feeds.contains(&status.view);
    let mut views = statuses.iter().filter(is_pulled).peekable();
    views.peek().is_none() || views.any(|status| status.checked_micros.is_none_or(|checked| checked < oldest))
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
