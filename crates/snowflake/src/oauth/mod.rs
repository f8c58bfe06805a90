//! OAuth with a client of the owner's: a person consents once, and we refresh.
//!
//! ```text
//! begin ─▶ person's browser ─▶ Snowflake ─▶ our call-back ─ finish ─▶ tokens, sealed ─ refresh ─▶ … until the consent ends
//! ```
//!
//! A sign-in that has begun is kept with its state and its PKCE verifier for ten minutes, and is taken off before its code is
//! exchanged: a state works once. The refresh token that a refresh may bring is sealed before anything uses the new access
//! token, as the former one is void by then. When the consent has ended the source waits for a new one; its positions stay,
//! and the views keep a year. <https://docs.snowflake.com/en/user-guide/oauth-custom>

mod consent;
mod endpoint;
mod source;

pub use consent::{Begun, Consent, ConsentError, ConsentHealth, Finished, source_of_state};
pub use source::OAuthSource;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uncia_document::Timestamp;
use uncia_model::{Clock, Secret};

use crate::Connection;
use crate::vault::{Note, Vault, VaultError};

/// A client that the owner has registered by a security integration.
#[derive(Clone, Debug)]
pub struct OAuthClient {
    pub source: String,
    pub connection: Connection,
    pub client_id: Secret,
    pub client_secret: Secret,
    pub redirect_uri: String,
    /// The role to act as.
    pub role: String,
    /// Seconds that a consent lasts: the integration's `OAUTH_REFRESH_TOKEN_VALIDITY`.
    pub consent_seconds: u32,
}

/// How often a change is tried beside others.
const UPDATE_ATTEMPTS: usize = 10;

/// What is sealed of a source's OAuth.
#[derive(Default, Deserialize, Serialize)]
struct Document {
    pending: Option<Pending>,
    grant: Option<Grant>,
    /// Why the grant is of no use any more.
    ended: Option<String>,
}

/// A sign-in that has begun.
#[derive(Clone, Deserialize, Serialize)]
struct Pending {
    state: String,
    verifier: String,
    redirect_uri: String,
    until_micros: i64,
    by: String,
}

/// What a consent has brought.
#[derive(Clone, Deserialize, Serialize)]
struct Grant {
    refresh_token: String,
    access_token: String,
    access_until_micros: i64,
    consent_until_micros: i64,
    user: Option<String>,
}

impl Drop for Pending {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.state);
        zeroize::Zeroize::zeroize(&mut self.verifier);
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.refresh_token);
        zeroize::Zeroize::zeroize(&mut self.access_token);
    }
}

/// The sealed document of a source.
#[derive(Clone)]
struct Sealed {
    vault: Arc<dyn Vault>,
    name: String,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Sealed {
    fn of(source: &str, vault: Arc<dyn Vault>) -> Self {
        Self { vault, name: format!("snowflake/{source}/oauth") }
    }

    async fn load(&self) -> Result<(Document, u64), VaultError> {
        let Some(kept) = self.vault.load(&self.name).await? else { return Ok((Document::default(), 0)) };
        let document = serde_json::from_str(kept.content.expose()).map_err(|error| {
            // Only where and what: the text around it is a token.
            VaultError(format!("{} cannot be read: {:?} error in line {}", self.name, error.classify(), error.line()))
        })?;
        Ok((document, kept.revision))
    }

    /// Changes the document, again and again if somebody else changes it meanwhile. `change` may decide against it, which
    /// the answer tells.
    async fn update(&self, note: &Note, mut change: impl FnMut(&mut Document) -> bool) -> Result<bool, VaultError> {
        for _ in 0..UPDATE_ATTEMPTS {
            let (mut document, revision) = self.load().await?;
            if !change(&mut document) {
                return Ok(false);
            }
            let text = Secret::new(serde_json::to_string(&document).expect("text and numbers always become JSON"));
            if self.vault.keep(&self.name, Some(&text), revision, note).await? {
                return Ok(true);
            }
        }
        Err(VaultError(format!("{} is being changed all the time: try again", self.name)))
    }
}

fn micros(clock: &dyn Clock) -> i64 {
    clock.now().micros
}

fn after(micros: i64, seconds: i64) -> i64 {
    micros.saturating_add(seconds.saturating_mul(1_000_000))
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

#[cfg(test)]
mod tests;
