//! Pulled accounts on their way into the walk: each by its own clock, at times that many accounts share, so that a
//! warehouse wakes once for all of them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uncia_document::Timestamp;
use uncia_sources::snowflake::{AccountPuller, Parcel, PullError, Pulled};

use crate::input::Input;
use crate::serve::Serving;

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
        let (parcels, mut taken) = mpsc::channel::<Parcel>(WAITING);
        let inputs = inputs.clone();
        tasks.push(tokio::spawn(async move {
            while let Some(parcel) = taken.recv().await {
                if inputs.send(input(parcel)).await.is_err() {
                    return;
                }
            }
        }));
        let (puller, life, clock) = (puller.clone(), life.clone(), serving.walk.clock().clone());
        tasks.push(tokio::spawn(async move {
            let every = i64::from(puller.config().interval_minutes) * MINUTE;
            loop {
                tokio::select! {
                    () = pull(&puller, &parcels) => {}
                    () = life.cancelled() => return,
                }
                tokio::select! {
                    () = tokio::time::sleep(until_next(clock.now(), every)) => {}
                    () = life.cancelled() => return,
                }
            }
        }));
    }
    tasks
}

/// A parcel as the walk takes it.
#[must_use]
pub fn input(parcel: Parcel) -> Input {
    let Parcel { payload, records, rows, quiet, held } = parcel;
    Input::rows(payload, records, rows, quiet, held)
}

/// Pulls once and says what became of it.
async fn pull(puller: &AccountPuller, parcels: &mpsc::Sender<Parcel>) {
    let id = &puller.config().id;
    match puller.pull(parcels).await {
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
