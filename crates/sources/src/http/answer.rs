//! What a sender is told when its request is not taken.

use std::time::Duration;

use axum::Json;
use axum::http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use uncia_model::limits::MAX_REQUEST_BYTES;

use crate::intake::IntakeError;

/// Why a request was not taken. Nothing of the request is repeated, so no credential is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    NoSuchPage,
    NoSuchSource,
    Method {
        allowed: &'static str,
    },
    /// `challenge` is the `WWW-Authenticate` of the method, if it has one.
    NoCredentials {
        challenge: Option<&'static str>,
    },
    WrongCredentials,
    Encoding,
    NotAsEncoded,
    TooLarge,
    Empty,
    Slow,
    BrokenOff,
    Busy {
        retry_after: Duration,
    },
    Unavailable {
        retry_after: Duration,
    },
}

impl Refusal {
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::NoSuchPage | Self::NoSuchSource => "not_found",
            Self::Method { .. } => "method_not_allowed",
            Self::NoCredentials { .. } => "unauthorized",
            Self::WrongCredentials => "forbidden",
            Self::Encoding => "unsupported_encoding",
            Self::NotAsEncoded => "not_as_encoded",
            Self::TooLarge => "too_large",
            Self::Empty => "empty_body",
            Self::Slow => "timeout",
            Self::BrokenOff => "incomplete_body",
            Self::Busy { .. } => "busy",
            Self::Unavailable { .. } => "unavailable",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NoSuchPage | Self::NoSuchSource => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoCredentials { .. } => StatusCode::UNAUTHORIZED,
            Self::WrongCredentials => StatusCode::FORBIDDEN,
            Self::Encoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NotAsEncoded | Self::Empty | Self::BrokenOff => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Busy { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The sentence and the hint.
    fn words(&self) -> (&'static str, String) {
        const MIB: usize = 1024 * 1024;
        let (error, hint) = match self {
            Self::NoSuchPage => ("there is nothing here", "send events to POST /http/<source>"),
            Self::NoSuchSource => {
                ("there is no such source", "compare the URL with the source's id in the configuration")
            }
            Self::Method { .. } => ("this method is not allowed here", "use one that the Allow header names"),
            Self::NoCredentials { .. } => {
                ("credentials are missing", "send the header that the source's auth method asks for")
            }
            Self::WrongCredentials => ("credentials are wrong", "compare the sender's secret with the source's"),
            Self::Encoding => ("this Content-Encoding is not understood", "send gzip, zstd or identity"),
            Self::NotAsEncoded => {
                ("the body is not what Content-Encoding says", "leave the header out or compress the body")
            }
            Self::TooLarge => {
                let hint = format!(
                    "send at most {} MiB a request, as sent; compress, or cut into more requests",
                    MAX_REQUEST_BYTES / MIB
                );
                return ("the body is too large", hint);
            }
            Self::Empty => ("the body is empty", "send at least one record"),
            Self::Slow => ("the body did not arrive in time", "send it again"),
            Self::BrokenOff => ("the body broke off", "send it again"),
            Self::Busy { .. } => ("more is arriving than can be taken", "send it again after Retry-After seconds"),
            Self::Unavailable { .. } => ("events cannot be taken now", "send it again after Retry-After seconds"),
        };
        (error, hint.to_owned())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (error, hint) = self.words();
        let body = Json(serde_json::json!({"error": error, "code": self.code(), "hint": hint}));
        let mut response = (self.status(), body).into_response();
        let headers = response.headers_mut();
        match self {
            Self::Method { allowed } => {
                headers.insert(ALLOW, HeaderValue::from_static(allowed));
            }
            Self::NoCredentials { challenge: Some(challenge) } => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
            Self::Busy { retry_after } | Self::Unavailable { retry_after } => {
                let whole = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
                headers.insert(RETRY_AFTER, whole.max(1).into());
            }
            _ => {}
        }
        response
    }
}

impl From<IntakeError> for Refusal {
    fn from(error: IntakeError) -> Self {
        match error {
            IntakeError::Full { retry_after } => Self::Busy { retry_after },
            IntakeError::Unavailable { retry_after, .. } => Self::Unavailable { retry_after },
        }
    }
}
