//! Pulled accounts on their way into the walk: each by its own clock, at times that many accounts share, so that a
//! warehouse wakes once for all of them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uncia_document::Timestamp;
use uncia_sources::snowflake::{AccountPuller, Parcel, PullError, Pulled};

use crate::alarm::{self, PulledViews};
use crate::input::Input;
use crate::posture::{self, Posture};
use crate::serve::Serving;
use crate::state::{self, Snapshot, StateError, When};
use crate::walk::Walk;

const MINUTE: i64 = 60 * 1_000_000;
/// Parcels that wait for the walk; they bound memory.
const WAITING: usize = 2;

/// Starts a puller for each account; they end with `life`.
pub(crate) fn start(
    serving: &Arc<Serving>,
    inputs: &mpsc::Sender<Input>,
    life: &CancellationToken,
) -> Vec<JoinHandle<()>> {
    let mut tasks = Vec::new();
    for puller in &serving.accounts {
        let (parcels, taken) = mpsc::channel::<Parcel>(WAITING);
        tasks.push(tokio::spawn(forward(taken, inputs.clone())));
        let (puller, life, walk, inputs) = (puller.clone(), life.clone(), serving.walk.clone(), inputs.clone());
        tasks.push(tokio::spawn(async move {
            let every = i64::from(puller.config().interval_minutes) * MINUTE;
            loop {
                let pulled = tokio::select! {
                    pulled = puller.pull(&parcels) => pulled,
                    () = life.cancelled() => return,
                };
                say(&puller, &pulled);
                alarm::judge_pull(&walk, puller.config(), &pulled).await;
                // While the warehouse is awake.
                tokio::select! {
                    () = snapshots(&walk, &puller, &inputs) => {}
                    () = life.cancelled() => return,
                }
                tokio::select! {
                    () = judge(&walk, &puller) => {}
                    () = life.cancelled() => return,
                }
                tokio::select! {
                    () = tokio::time::sleep(until_next(walk.clock().now(), every)) => {}
                    () = life.cancelled() => return,
                }
            }
        }));
    }
    tasks
}

/// Hands parcels on as inputs until one side ends.
pub async fn forward(mut parcels: mpsc::Receiver<Parcel>, inputs: mpsc::Sender<Input>) {
    while let Some(parcel) = parcels.recv().await {
        if inputs.send(input(parcel)).await.is_err() {
            return;
        }
    }
}

/// A parcel as the walk takes it.
#[must_use]
pub fn input(parcel: Parcel) -> Input {
    let Parcel { payload, records, rows, quiet, held } = parcel;
    Input::rows(payload, records, rows, quiet, held)
}

/// Says what became of a pull.
fn say(puller: &AccountPuller, pulled: &PulledViews) {
    let id = &puller.config().id;
    match pulled {
        Ok(views) => {
            for (view, pulled) in views {
                match pulled {
                    Ok(Pulled { absent: true, .. }) => {
                        tracing::info!(source.id = %id, "{} is not there; the edition may not have it", view.feed());
                    }
                    Ok(Pulled { read, new, revised, late, .. }) => tracing::info!(
                        source.id = %id,
                        "{}: {new} new rows of {read}, {revised} revised, {late} late",
                        view.feed()
                    ),
                    // The walk says itself why it ended.
                    Err(PullError::Ended) => {}
                    Err(error) => tracing::error!(source.id = %id, "{}: {error}", view.feed()),
                }
            }
        }
        Err(error) => tracing::error!(source.id = %id, "cannot be pulled: {error}; it is tried again at the next time"),
    }
}

/// Takes the snapshots that are due and says what became of them.
async fn snapshots(walk: &Walk, puller: &AccountPuller, inputs: &mpsc::Sender<Input>) {
    let id = &puller.config().id;
    let views = match state::take(walk, puller, inputs, When::Due).await {
        Ok(views) => views,
        Err(StateError::Pull(PullError::Ended)) => return,
        Err(error) => {
            tracing::error!(source.id = %id, "no snapshots are taken: {error}; they are at the next time");
            return;
        }
    };
    for (view, snapshot) in views {
        match snapshot {
            Ok(Snapshot { absent: Some(why), .. }) => {
                tracing::info!(source.id = %id, "{} is not shown: {why}", view.feed());
            }
            Ok(Snapshot { rows, added, gone, changes, .. }) => tracing::info!(
                source.id = %id,
                "{}: {rows} rows, {added} came, {gone} went, {changes} changes told",
                view.feed()
            ),
            Err(error) => tracing::error!(source.id = %id, "{}: {error}", view.feed()),
        }
    }
}

/// Judges what the snapshots have shown and says what became of it.
async fn judge(walk: &Walk, puller: &AccountPuller) {
    let config = puller.config();
    match posture::judge(walk, &config.id, config.label()).await {
        Ok(None) => {}
        Ok(Some(Posture { failed, passed, not_applicable, errors, begun, ended, .. })) => {
            tracing::info!(
                source.id = %config.id,
                "posture: {failed} controls fail, {passed} pass, {not_applicable} do not apply; {begun} violations began, {ended} ended"
            );
            errors.iter().for_each(|error| tracing::error!(source.id = %config.id, "cannot be asked: {error}"));
        }
        Err(error) => tracing::error!(source.id = %config.id, "posture is not judged: {error}; it is at the next time"),
    }
}

/// To the next whole interval since 1970.
fn until_next(now: Timestamp, every: i64) -> Duration {
    let left = every - now.micros.rem_euclid(every);
    Duration::from_micros(u64::try_from(left).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_share_their_times() {
        let at = |micros| until_next(Timestamp::from_micros(micros), 15 * MINUTE);
        assert_eq!(at(0), Duration::from_secs(900));
        assert_eq!(at(14 * MINUTE), Duration::from_secs(60));
        assert_eq!(at(15 * MINUTE + 1), Duration::from_micros(900_000_000 - 1));
    }
}
