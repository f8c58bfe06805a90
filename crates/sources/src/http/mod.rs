//! `POST /http/<source>`: events pushed by whoever can send a webhook.
//!
//! ```text
//! source? ─404─▶ method? ─405─▶ credentials? ─401 403─▶ encoding? ─415─▶ size? ─413─▶ room? ─429─▶ body ─▶ Intake ─▶ 200
//! ```
//!
//! What can be judged by the headers is judged before the body is read. A 200 means that the bytes are durable, not that
//! they became events. The body is handed on as sent, compressed or not: its content says what it is. Any JSON, JSON lines
//! or other text will do.
//!
//! Errors are JSON: `{"error": <sentence>, "code": <word for programs>, "hint": <what to do>}`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use serde::Deserialize;
use tokio::sync::Semaphore;
use uncia_model::limits::MAX_REQUEST_BYTES;
use uncia_model::{Clock, LogType, SourceId};
use uncia_processing::FilterConfig;

use crate::intake::{Intake, IntakeError};
use crate::secret::SecretError;
use crate::silence::NoDataMinutes;
use crate::stream::StreamConfig;

mod answer;
mod auth;
mod body;
mod serve;

pub use auth::AuthConfig;
pub use serve::serve;

use answer::Refusal;
use auth::Auth;

/// An HTTP source.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSourceConfig {
    /// The last part of the URL that senders use. Events carry it as `p_source_id`.
    pub id: SourceId,
    /// What people call it, `p_source_label`; the id if left out.
    #[serde(default)]
    pub label: Option<String>,
    /// Log types that its records may have; all known ones if left out.
    #[serde(default)]
    pub log_types: Vec<LogType>,
    /// How bodies are cut into records.
    #[serde(default)]
    pub stream: StreamConfig,
    /// What of it is dropped.
    #[serde(default)]
    pub filters: FilterConfig,
    /// How senders prove who they are: `{ method = "bearer", token = "env:TOKEN" }` and its kin.
    pub auth: AuthConfig,
    /// Minutes of silence after which somebody is told; 0: nobody is.
    #[serde(default)]
    pub no_data_minutes: NoDataMinutes,
    /// Bytes of requests being taken at once; beyond it senders are asked to wait.
    #[serde(default = "in_flight_bytes")]
    pub max_in_flight_bytes: usize,
}

const fn in_flight_bytes() -> usize {
    4 * MAX_REQUEST_BYTES
}

/// A source that cannot be served as configured.
#[derive(Debug, thiserror::Error)]
pub enum HttpSourceError {
    #[error("HTTP source `{id}`: {error}")]
    Secret { id: SourceId, error: SecretError },
    #[error("HTTP source `{id}`: {reason}")]
    Auth { id: SourceId, reason: String },
    #[error("HTTP source id `{id}` cannot be part of a URL; use letters, digits, `-`, `_` and `.`")]
    Id { id: SourceId },
    #[error("HTTP source `{id}` is configured twice; ids must differ")]
    Twice { id: SourceId },
}

struct Source {
    id: SourceId,
    auth: Auth,
    /// One permit a byte.
    room: Arc<Semaphore>,
}

struct Door {
    sources: HashMap<String, Source>,
    intake: Arc<dyn Intake>,
    clock: Arc<dyn Clock>,
}

/// The routes of the sources, and `/healthz`. Secrets are resolved here, once.
pub fn router(
    sources: &[HttpSourceConfig],
    intake: Arc<dyn Intake>,
    clock: Arc<dyn Clock>,
) -> Result<Router, HttpSourceError> {
    let mut by_id = HashMap::new();
    for config in sources {
        let id = config.id.clone();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if id.as_str().is_empty() || !id.as_str().chars().all(plain) {
            return Err(HttpSourceError::Id { id });
        }
        let auth = Auth::new(&config.auth, &id)?;
        let room = config.max_in_flight_bytes.clamp(MAX_REQUEST_BYTES, Semaphore::MAX_PERMITS);
        let source = Source { id: id.clone(), auth, room: Arc::new(Semaphore::new(room)) };
        if by_id.insert(id.as_str().to_owned(), source).is_some() {
            return Err(HttpSourceError::Twice { id });
        }
    }
    let door = Arc::new(Door { sources: by_id, intake, clock });
    Ok(Router::new()
        .route("/http/{source}", any(receive))
        .route("/http/{source}/", any(receive))
        .route("/healthz", get(health))
        .fallback(async || Refusal::NoSuchPage)
        .method_not_allowed_fallback(async || Refusal::Method { allowed: "GET, HEAD" })
        .with_state(door))
}

async fn health() -> Response {
    axum::Json(serde_json::json!({"status": "ok"})).into_response()
}

async fn receive(State(door): State<Arc<Door>>, Path(source): Path<String>, request: Request) -> Response {
    match door.receive(&source, request).await {
        Ok(bytes) => axum::Json(serde_json::json!({"status": "accepted", "bytes": bytes})).into_response(),
        Err(refusal) => {
            tracing::debug!(source, code = refusal.code(), "request refused");
            refusal.into_response()
        }
    }
}

impl Door {
    async fn receive(&self, source: &str, request: Request) -> Result<usize, Refusal> {
        let source = self.sources.get(source).ok_or(Refusal::NoSuchSource)?;
        if request.method() != Method::POST {
            return Err(Refusal::Method { allowed: "POST" });
        }
        let (head, body) = request.into_parts();
        source.auth.check_head(&head.headers)?;
        let compression = Compression::of(&head.headers)?;
        let (body, room) = self.read(source, &head.headers, body).await?;
        source.auth.check_body(&head.headers, &body)?;
        if body.is_empty() {
            return Err(Refusal::Empty);
        }
        if !compression.is_that_of(&body) {
            return Err(Refusal::NotAsEncoded);
        }
        let bytes = body.len();
        let accepted = self.intake.accept(&source.id, body, self.clock.now()).await;
        drop(room);
        accepted.map(|()| bytes).map_err(|error| {
            if let IntakeError::Unavailable { reason, .. } = &error {
                tracing::warn!(source = %source.id, reason, "intake not available");
            }
            error.into()
        })
    }

    async fn read(
        &self,
        source: &Source,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<(bytes::Bytes, tokio::sync::OwnedSemaphorePermit), Refusal> {
        let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        body::read(body, length, source.room.clone(), body::Patience::default()).await
    }
}

/// What `Content-Encoding` says of a body.
#[derive(Clone, Copy)]
enum Compression {
    /// Nothing; the content decides.
    Unsaid,
    Gzip,
    Zstd,
}

impl Compression {
    fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let Some(said) = headers.get(CONTENT_ENCODING) else { return Ok(Self::Unsaid) };
        match said.to_str().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Self::Unsaid),
            "gzip" | "x-gzip" => Ok(Self::Gzip),
            "zstd" => Ok(Self::Zstd),
            _ => Err(Refusal::Encoding),
        }
    }

    fn is_that_of(self, body: &[u8]) -> bool {
        match self {
            Self::Unsaid => true,
            Self::Gzip => body.starts_with(&[0x1f, 0x8b]),
            // A frame, or a skippable frame before it.
            Self::Zstd => body.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) || body.get(1..4) == Some(&[0x2a, 0x4d, 0x18]),
        }
    }
}

#[cfg(test)]
mod tests;
