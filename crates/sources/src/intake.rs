//! The door to the rest of the walk.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use uncia_document::Timestamp;
use uncia_model::SourceId;

/// Takes bytes and makes them durable.
#[async_trait]
pub trait Intake: Send + Sync {
    /// Returns when the bytes would survive a power cut; only then is the sender told so.
    async fn accept(&self, source: &SourceId, body: Bytes, received: Timestamp) -> Result<(), IntakeError>;
}

/// Bytes that were not taken. The sender keeps them and is asked to try again.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// More is arriving than leaves.
    #[error("the intake is full")]
    Full { retry_after: Duration },
    /// Bytes cannot be made durable now: no space, a failing disk, a stop under way. The reason is for our log only.
    #[error("the intake is not available: {reason}")]
    Unavailable { retry_after: Duration, reason: String },
}
