//! Takes deliveries out of the outbox and tells destinations of them, until each was told or given up.
//!
//! Every destination has its own line: its own query of the outbox, its own few requests in flight and its own pause when it
//! does not answer, so a dead one delays nobody. Nothing is kept in memory that a restart would miss: the pause is only
//! politeness, the outbox row says when its next try is due. A delivery may be told twice when the process dies between the
//! destination's answer and the row's update; the idempotency key is there for that.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use uncia_document::Timestamp;
use uncia_model::{Alert, Clock, DestinationId, DetectionId};

use crate::destinations::{DeliveryError, Destination, Destinations};
use crate::facts::RuleFacts;
use crate::notification::Notification;

mod store;
#[cfg(test)]
mod tests;

/// The first wait after a failure; it doubles with every further one …
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// … up to this.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// The longest `Retry-After` that is believed.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(6 * 3600);
/// An alert that could not be told for so long is given up.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(72 * 3600);
/// Tries until a destination's "no" is believed.
const REJECTED_TRIES: u32 = 3;
/// Requests in flight to one destination.
const CONCURRENCY: usize = 4;
/// Failures in a row after which a destination is only probed.
const FAILURES_TO_PAUSE: u32 = 5;
/// How often it is probed then.
const PROBE_EVERY: Duration = Duration::from_secs(60);
/// How often the outbox is asked when nothing wakes the deliverer.
const POLL_EVERY: Duration = Duration::from_secs(1);
/// Rows taken from the outbox at once.
const PAGE: usize = 64;

/// A due row of the outbox with its alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    /// The outbox's own key of the row.
    pub id: i64,
    pub alert: Alert,
    pub destination: DestinationId,
    /// Tries so far.
    pub attempts: u32,
    /// When the delivery was written.
    pub created_micros: i64,
}

/// How one try went, for the outbox to record.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    pub at_micros: i64,
    pub result: AttemptResult,
}

#[derive(Clone, Debug, PartialEq)]
pub enum AttemptResult {
    Delivered {
        answer: String,
    },
    /// `next_micros` is when to try again; `None` gives the delivery up.
    Failed {
        next_micros: Option<i64>,
        error: String,
    },
}

/// The outbox as the deliverer sees it; the store is one.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Rows of a destination whose next try is due, longest due first.
    async fn due(&self, destination: &DestinationId, now_micros: i64, limit: usize) -> Result<Vec<Due>, OutboxError>;

    /// Records a try and what follows from it.
    async fn record(&self, id: i64, attempt: &Attempt) -> Result<(), OutboxError>;
}

/// The outbox could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the outbox failed: {0}")]
pub struct OutboxError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// What notifications say of a detection, looked up when one is made.
pub type LookUpFacts = Arc<dyn Fn(&DetectionId) -> Option<Arc<RuleFacts>> + Send + Sync>;

/// Delivers what is due.
pub struct Deliverer {
    outbox: Arc<dyn Outbox>,
    lines: HashMap<DestinationId, Line>,
    clock: Arc<dyn Clock>,
    facts: LookUpFacts,
    console: Option<String>,
    woken: tokio::sync::Notify,
}

/// One destination and how it has been doing.
struct Line {
    destination: Arc<dyn Destination>,
    health: Mutex<Health>,
}

#[derive(Clone, Copy, Default)]
struct Health {
    failures: u32,
    /// Nothing is sent before this.
    paused_until_micros: i64,
}

/// What one pass over a destination did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    pub delivered: usize,
    pub failed: usize,
    pub given_up: usize,
}

impl Passed {
    fn tried(self) -> usize {
        self.delivered + self.failed + self.given_up
    }
}

impl Deliverer {
    /// `console` is the address that links in notifications begin with.
    pub fn new(
        outbox: Arc<dyn Outbox>,
        destinations: Destinations,
        clock: Arc<dyn Clock>,
        facts: LookUpFacts,
        console: Option<String>,
    ) -> Self {
        let line = |(id, destination)| (id, Line { destination, health: Mutex::default() });
        let lines = destinations.into_iter().map(line).collect();
        Self { outbox, lines, clock, facts, console, woken: tokio::sync::Notify::new() }
    }

    /// Says that there may be new rows, so that they need not wait for the next look.
    pub fn wake(&self) {
        self.woken.notify_waiters();
    }

    /// Delivers until `stop` comes, and then only finishes what is in flight.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        let (stopping, stopped) = tokio::sync::watch::channel(false);
        let lines = self.lines.keys().map(|destination| self.run_line(destination, stopped.clone()));
        let signal = async {
            stop.await;
            stopping.send_replace(true);
        };
        tokio::join!(futures::future::join_all(lines), signal);
    }

    async fn run_line(&self, destination: &DestinationId, mut stopped: tokio::sync::watch::Receiver<bool>) {
        while !*stopped.borrow() {
            let idle = match self.pass(destination).await {
                Ok(passed) => passed.tried() == 0,
                Err(error) => {
                    tracing::error!(%destination, %error, "deliveries wait");
                    true
                }
            };
            if !idle {
                continue;
            }
            tokio::select! {
                () = self.woken.notified() => {}
                () = tokio::time::sleep(POLL_EVERY) => {}
                _ = stopped.changed() => {}
            }
        }
    }

    /// Tries what is due at one destination now, once.
    pub async fn pass(&self, destination: &DestinationId) -> Result<Passed, OutboxError> {
        let Some(line) = self.lines.get(destination) else { return Ok(Passed::default()) };
        let now = self.clock.now().micros;
        let health = *line.health.lock().unwrap_or_else(PoisonError::into_inner);
        if now < health.paused_until_micros {
            return Ok(Passed::default());
        }
        let probing = health.failures >= FAILURES_TO_PAUSE;
        let due = self.outbox.due(destination, now, if probing { 1 } else { PAGE }).await?;
        let mut passed = Passed::default();
        // Once the destination fails for good in this pass, the rest of the page waits untried.
        let mut due = due.into_iter();
        loop {
            let health = *line.health.lock().unwrap_or_else(PoisonError::into_inner);
            if self.clock.now().micros < health.paused_until_micros {
                break;
            }
            let together: Vec<_> = due.by_ref().take(CONCURRENCY).collect();
            if together.is_empty() {
                break;
            }
            let tries =
                futures::stream::iter(together).map(|due| self.attempt(line, due)).buffer_unordered(CONCURRENCY);
            for outcome in tries.collect::<Vec<_>>().await {
                match outcome? {
                    AttemptResult::Delivered { .. } => passed.delivered += 1,
                    AttemptResult::Failed { next_micros: Some(_), .. } => passed.failed += 1,
                    AttemptResult::Failed { next_micros: None, .. } => passed.given_up += 1,
                }
            }
        }
        Ok(passed)
    }

    async fn attempt(&self, line: &Line, due: Due) -> Result<AttemptResult, OutboxError> {
        let facts = (self.facts)(&due.alert.detection);
        let notification = Notification::of(&due.alert, facts.as_deref(), self.console.as_deref());
        let outcome = line.destination.deliver(&notification).await;
        let now = self.clock.now();
        line.note(&outcome, now);
        let result = match outcome {
            Ok(receipt) => AttemptResult::Delivered { answer: format!("{} {}", receipt.status, receipt.body) },
            Err(error) => {
                let next_micros = next_try(&due, &error, now);
                if next_micros.is_none() {
                    tracing::error!(alert = %due.alert.id, destination = %due.destination, %error, "delivery given up");
                }
                AttemptResult::Failed { next_micros, error: error.to_string() }
            }
        };
        let attempt = Attempt { at_micros: now.micros, result };
        self.outbox.record(due.id, &attempt).await?;
        Ok(attempt.result)
    }
}

impl Line {
    fn note<T>(&self, outcome: &Result<T, DeliveryError>, now: Timestamp) {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        let Err(error) = outcome else {
            *health = Health::default();
            return;
        };
        let asked = match error {
            // It is alive and spoke about this one alert.
            DeliveryError::Rejected { .. } => {
                *health = Health::default();
                return;
            }
            DeliveryError::RetryAfter { after, .. } => after.map(|after| after.min(LONGEST_WAIT)),
            DeliveryError::Unreachable { .. } => None,
        };
        health.failures += 1;
        let pause = asked.or((health.failures >= FAILURES_TO_PAUSE).then_some(PROBE_EVERY));
        if let Some(pause) = pause {
            health.paused_until_micros = health.paused_until_micros.max(now.micros + micros(pause));
        }
    }
}

/// When to try again after this failure, if at all.
fn next_try(due: &Due, error: &DeliveryError, now: Timestamp) -> Option<i64> {
    if matches!(error, DeliveryError::Rejected { .. }) && due.attempts + 1 >= REJECTED_TRIES {
        return None;
    }
    let mut wait = backoff(due);
    if let DeliveryError::RetryAfter { after: Some(after), .. } = error {
        wait = wait.max((*after).min(LONGEST_RETRY_AFTER));
    }
    let next = now.micros + micros(wait);
    (next <= due.created_micros + micros(GIVE_UP_AFTER)).then_some(next)
}

/// Doubling waits, each shortened by up to a half so that rows that failed together do not return together. The share comes
/// from the row itself, which keeps tests exact.
fn backoff(due: &Due) -> Duration {
    let whole = FIRST_WAIT.saturating_mul(1 << due.attempts.min(10)).min(LONGEST_WAIT);
    let seed = blake3::hash(&[due.id.to_le_bytes(), i64::from(due.attempts).to_le_bytes()].concat());
    let share = f64::from(seed.as_bytes()[0]) / 512.0;
    whole.mul_f64(1.0 - share)
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
