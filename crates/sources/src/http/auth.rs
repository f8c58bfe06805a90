//! How a sender proves who it is.
//!
//! Comparisons take the same time whatever they compare; what is compared are digests, so that lengths do not show either.

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, HeaderName};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hmac::{Hmac, Mac};
use serde::Deserialize;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use uncia_model::{Secret, SourceId};

use super::HttpSourceError;
use super::answer::Refusal;
use crate::secret::resolve;

/// `auth` of an HTTP source. Secrets are `file:`/`env:` references or literal.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case", deny_unknown_fields)]
pub enum AuthConfig {
    /// Whoever knows the URL may send.
    None {},
    /// `Authorization: Basic …`.
    Basic { username: String, password: Secret },
    /// `Authorization: Bearer <token>`.
    Bearer { token: Secret },
    /// A header that must equal the secret.
    SharedSecret { header: String, secret: Secret },
    /// A header that carries the HMAC-SHA256 of the body as sent, in hex or base64.
    Hmac {
        header: String,
        secret: Secret,
        /// What stands before the digest; may be absent on arrival.
        #[serde(default = "github_prefix")]
        prefix: String,
    },
}

fn github_prefix() -> String {
    "sha256=".to_owned()
}

/// A method with its secrets resolved.
pub(super) enum Auth {
    None,
    Basic { credentials: Secret },
    Bearer { token: Secret },
    SharedSecret { header: HeaderName, secret: Secret },
    Hmac { header: HeaderName, secret: Secret, prefix: String },
}

impl Auth {
    pub(super) fn new(config: &AuthConfig, id: &SourceId) -> Result<Self, HttpSourceError> {
        let secret = |configured: &Secret| {
            let secret = resolve(configured).map_err(|error| HttpSourceError::Secret { id: id.clone(), error })?;
            if secret.expose().is_empty() {
                let reason = "its secret is empty; use `auth = { method = \"none\" }` if that is meant".to_owned();
                return Err(HttpSourceError::Auth { id: id.clone(), reason });
            }
            Ok(secret)
        };
        let name = |header: &str| {
            let reason = format!("`{header}` is not a header's name");
            header.parse::<HeaderName>().map_err(|_| HttpSourceError::Auth { id: id.clone(), reason })
        };
        Ok(match config {
            AuthConfig::None {} => Self::None,
            AuthConfig::Basic { username, password } => {
                Self::Basic { credentials: Secret::new(format!("{username}:{}", secret(password)?.expose())) }
            }
            AuthConfig::Bearer { token } => Self::Bearer { token: secret(token)? },
            AuthConfig::SharedSecret { header, secret: shared } => {
                Self::SharedSecret { header: name(header)?, secret: secret(shared)? }
            }
            AuthConfig::Hmac { header, secret: key, prefix } => {
                Self::Hmac { header: name(header)?, secret: secret(key)?, prefix: prefix.clone() }
            }
        })
    }

    /// What the headers alone can show: everything but a signature's truth.
    pub(super) fn check_head(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        match self {
            Self::None => Ok(()),
            Self::Basic { credentials } => {
                let missing = Refusal::NoCredentials { challenge: Some("Basic realm=\"uncia\", charset=\"UTF-8\"") };
                let sent = authorization(headers, "basic").ok_or(missing)?;
                let sent = decode_base64(sent).ok_or(Refusal::WrongCredentials)?;
                equal(&sent, credentials)
            }
            Self::Bearer { token } => {
                let missing = Refusal::NoCredentials { challenge: Some("Bearer realm=\"uncia\"") };
                let sent = authorization(headers, "bearer").ok_or(missing)?;
                equal(sent.as_bytes(), token)
            }
            Self::SharedSecret { header, secret } => {
                let sent = headers.get(header).ok_or(Refusal::NoCredentials { challenge: None })?;
                equal(sent.as_bytes(), secret)
            }
            Self::Hmac { header, .. } if !headers.contains_key(header) => {
                Err(Refusal::NoCredentials { challenge: None })
            }
            Self::Hmac { .. } => Ok(()),
        }
    }

    /// The signature of the body as sent.
    pub(super) fn check_body(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), Refusal> {
        let Self::Hmac { header, secret, prefix } = self else { return Ok(()) };
        let sent = headers.get(header).and_then(|value| value.to_str().ok()).unwrap_or_default().trim();
        let digest = sent.strip_prefix(prefix.as_str()).unwrap_or(sent);
        let digest = decode_digest(digest).ok_or(Refusal::WrongCredentials)?;
        let mut mac =
            Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes keys of any length");
        mac.update(body);
        mac.verify_slice(&digest).map_err(|_| Refusal::WrongCredentials)
    }
}

/// The rest of `Authorization` after its scheme.
fn authorization<'a>(headers: &'a HeaderMap, scheme: &str) -> Option<&'a str> {
    let (sent_scheme, rest) = headers.get(AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    sent_scheme.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}

/// Base64 with or without padding.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok()
}

/// 32 bytes of hex or base64.
fn decode_digest(text: &str) -> Option<Vec<u8>> {
    if text.len() == 64 && text.is_ascii() {
        let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).ok();
        return (0..64).step_by(2).map(byte).collect();
    }
    decode_base64(text)
}

fn equal(sent: &[u8], secret: &Secret) -> Result<(), Refusal> {
    let same = blake3::hash(sent).as_bytes().ct_eq(blake3::hash(secret.expose().as_bytes()).as_bytes());
    if bool::from(same) { Ok(()) } else { Err(Refusal::WrongCredentials) }
}
