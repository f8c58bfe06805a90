//! Reads a body within its limits: size, the source's room, patience.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use uncia_model::limits::MAX_REQUEST_BYTES;

use super::answer::Refusal;

/// How long a body may take.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// Between two pieces of it.
    pub(super) idle: Duration,
    /// For the whole of it.
    pub(super) whole: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { idle: Duration::from_secs(20), whole: Duration::from_secs(120) }
    }
}

/// What a sender waits when the source's room is full.
const BUSY_FOR: Duration = Duration::from_secs(1);

/// The whole body, and the room it takes until it is durable.
///
/// A sender that says the length has its room reserved at once and is not read half; without, room is taken as pieces come.
pub(super) async fn read(
    body: Body,
    length: Option<u64>,
    room: Arc<Semaphore>,
    patience: Patience,
) -> Result<(Bytes, OwnedSemaphorePermit), Refusal> {
    let said = length.unwrap_or(0);
    if said > MAX_REQUEST_BYTES as u64 {
        return Err(Refusal::TooLarge);
    }
    let said = said as usize;
    let mut taken = reserve(&room, said)?;
    let whole = async {
        let mut bytes = BytesMut::with_capacity(said);
        let mut pieces = body.into_data_stream();
        loop {
            let piece = timeout(patience.idle, pieces.next()).await.map_err(|_| Refusal::Slow)?;
            let Some(piece) = piece else { break };
            let piece = piece.map_err(|_| Refusal::BrokenOff)?;
            let grown = bytes.len() + piece.len();
            if grown > MAX_REQUEST_BYTES {
                return Err(Refusal::TooLarge);
            }
            if grown > taken.num_permits() {
                taken.merge(reserve(&room, grown - taken.num_permits())?);
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes.freeze())
    };
    let bytes = timeout(patience.whole, whole).await.map_err(|_| Refusal::Slow)??;
    Ok((bytes, taken))
}

fn reserve(room: &Arc<Semaphore>, bytes: usize) -> Result<OwnedSemaphorePermit, Refusal> {
    let bytes = u32::try_from(bytes).map_err(|_| Refusal::TooLarge)?;
    room.clone().try_acquire_many_owned(bytes).map_err(|_| Refusal::Busy { retry_after: BUSY_FOR })
}
