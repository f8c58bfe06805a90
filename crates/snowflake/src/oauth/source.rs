//! Access tokens from a consent, refreshed when they are about to end: also in the middle of a pull.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;
use uncia_document::Timestamp;
use uncia_model::Secret;

use super::endpoint::{self, Refused};
use super::{Document, Grant, OAuthClient, Sealed, after, at};
use crate::Error;
use crate::auth::{Token, TokenKind, TokenSource};
use crate::vault::{Note, Vault, VaultError};

/// An access token that ends within this is replaced before it is used.
const RENEW_BEFORE_SECONDS: i64 = 30;
/// Who refreshes, in the log of credentials.
const SELF: &str = "uncia";

/// Gives the access tokens of a source's consent.
#[derive(Debug)]
pub struct OAuthSource {
    client: Arc<OAuthClient>,
    sealed: Sealed,
    /// One refresh at a time.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    current: Option<Current>,
    /// What Snowflake did not take, though it had not ended.
    refused: Option<Secret>,
}

#[derive(Debug)]
struct Current {
    token: Token,
    until_micros: i64,
}

impl Current {
    fn of(grant: &Grant) -> Self {
        let value = Secret::new(grant.access_token.as_str());
        Self { token: Token { kind: TokenKind::OAuth, value }, until_micros: grant.access_until_micros }
    }

    fn is_good(&self, now: i64) -> bool {
        after(now, RENEW_BEFORE_SECONDS) < self.until_micros
    }
}

impl OAuthSource {
    #[must_use]
    pub fn new(client: Arc<OAuthClient>, vault: Arc<dyn Vault>) -> Self {
        let sealed = Sealed::of(&client.source, vault);
        Self { client, sealed, state: Mutex::default() }
    }

    async fn load(&self) -> Result<Document, Error> {
        let loaded = self.sealed.load().await;
        loaded.map(|(document, _)| document).map_err(|error| credential(&error))
    }

    fn again(&self, said: impl Into<String>) -> Error {
        Error::Reauthorise { identity: format!("source {}", self.client.source), said: said.into() }
    }

    /// A token from what is sealed, or from Snowflake for what is sealed.
    async fn fresh(&self, now: i64, refused: Option<&Secret>) -> Result<Current, Error> {
        let document = self.load().await?;
        if let Some(reason) = &document.ended {
            return Err(self.again(reason.clone()));
        }
        let Some(grant) = document.grant.clone() else {
            return Err(self.again("nobody has consented yet"));
        };
        let sealed = Current::of(&grant);
        // Another process may have refreshed it, or this one before it was started anew.
        if sealed.is_good(now) && refused.is_none_or(|refused| refused.expose() != grant.access_token) {
            return Ok(sealed);
        }
        let form = [("grant_type", "refresh_token"), ("refresh_token", grant.refresh_token.as_str())];
        let tokens = match endpoint::request(&self.client, &form).await {
            Ok(tokens) => tokens,
            Err(Refused::Grant(said)) => {
                return self.ended(&grant, said.replace(&grant.refresh_token, "***"), now).await;
            }
            Err(Refused::Client(said)) => {
                return Err(Error::Credential {
                    detail: format!("snowflake does not know the client of source {}: {said}", self.client.source),
                });
            }
            Err(Refused::Other(error)) => return Err(error),
        };
        let mut renewed = grant.clone();
        tokens.access_token.expose().clone_into(&mut renewed.access_token);
        renewed.access_until_micros = after(now, tokens.expires_in);
        if let Some(next) = tokens.refresh_token.as_ref().filter(|next| next.expose() != grant.refresh_token) {
            // A single-use token's successor counts from now on.
            next.expose().clone_into(&mut renewed.refresh_token);
            renewed.consent_until_micros = after(now, i64::from(self.client.consent_seconds));
        }
        let current = Current::of(&renewed);
        let detail = format!("until {}", at(current.until_micros));
        let note = Note { who: SELF.to_owned(), action: "token refreshed", detail };
        let renew = |document: &mut Document| {
            let ours = document.grant.as_ref().is_some_and(|held| held.refresh_token == grant.refresh_token);
            if ours {
                document.grant = Some(renewed.clone());
            }
            ours
        };
        // Sealed before it is used: the former refresh token may be void from now on.
        match self.sealed.update(&note, renew).await.map_err(|error| credential(&error))? {
            true => Ok(current),
            // Somebody consented anew, or another process was faster: theirs is the one that counts.
            false => self.sealed_now(now).await,
        }
    }

    async fn sealed_now(&self, now: i64) -> Result<Current, Error> {
        let document = self.load().await?;
        let current = document.grant.as_ref().map(Current::of).filter(|current| current.is_good(now));
        current.ok_or(Error::Throttled { attempts: 1 })
    }

    /// The refresh token is void: unless another one has come meanwhile, somebody has to consent again.
    async fn ended(&self, refused: &Grant, said: String, now: i64) -> Result<Current, Error> {
        let note = Note { who: SELF.to_owned(), action: "consent ended", detail: said.clone() };
        let end = |document: &mut Document| {
            let ours = document.grant.as_ref().is_some_and(|held| held.refresh_token == refused.refresh_token);
            if ours {
                document.ended = Some(said.clone());
            }
            ours
        };
        match self.sealed.update(&note, end).await.map_err(|error| credential(&error))? {
            true => Err(self.again(said.clone())),
            false => self.sealed_now(now).await,
        }
    }
}

fn credential(error: &VaultError) -> Error {
    Error::Credential { detail: error.to_string() }
}

#[async_trait]
impl TokenSource for OAuthSource {
    async fn token(&self, now: Timestamp) -> Result<Token, Error> {
        let now = now.micros;
        let mut state = self.state.lock().await;
        if let Some(held) = state.current.as_ref().filter(|held| held.is_good(now)) {
            return Ok(held.token.clone());
        }
        let fresh = self.fresh(now, state.refused.as_ref()).await?;
        let token = fresh.token.clone();
        *state = State { current: Some(fresh), refused: None };
        Ok(token)
    }

    async fn refused(&self, token: &Token) -> bool {
        let mut state = self.state.lock().await;
        // Otherwise it was replaced already while this one was on its way.
        if state.current.as_ref().is_some_and(|held| held.token == *token) {
            *state = State { current: None, refused: Some(token.value.clone()) };
        }
        true
    }

    fn kind(&self) -> TokenKind {
        TokenKind::OAuth
    }

    fn identity(&self) -> String {
        format!("source {}, role {}", self.client.source, self.client.role)
    }
}
