//! Asking a person for consent, and taking what their browser brings back.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use uncia_document::Timestamp;
use uncia_model::{Clock, Secret};

use super::endpoint::{self, Refused};
use super::{Document, Grant, OAuthClient, Pending, Sealed, after, at, micros};
use crate::Error;
use crate::error::quoted;
use crate::vault::{Note, Vault, VaultError};

/// How long a person has.
const PENDING_SECONDS: i64 = 600;
const WEEK_SECONDS: i64 = 7 * 86_400;
const DAY_SECONDS: i64 = 86_400;

/// A sign-in did not come to its end. The texts are for the person who tried.
#[derive(Debug, thiserror::Error)]
pub enum ConsentError {
    #[error(
        "this sign-in was not begun here, or its link was used before: begin again with `uncia snowflake authorise {source_id}`"
    )]
    UnknownState { source_id: String },
    #[error("this sign-in took longer than ten minutes: begin again with `uncia snowflake authorise {source_id}`")]
    Late { source_id: String },
    #[error(
        "the redirect URI was changed from {began} to {now} while this sign-in was under way: begin again with `uncia snowflake authorise {source_id}`"
    )]
    RedirectChanged { source_id: String, began: String, now: String },
    #[error("snowflake did not give its consent: {said}")]
    Denied { said: String },
    #[error(
        "snowflake does not take the code: it was used, is older than a minute or two, or verifier, redirect URI or client differ from those of the sign-in (said: {said}): begin again with `uncia snowflake authorise {source_id}`"
    )]
    Code { source_id: String, said: String },
    #[error(
        "snowflake does not know the client: compare client id and secret with SELECT SYSTEM$SHOW_OAUTH_CLIENT_SECRETS('<integration>') (said: {said})"
    )]
    Client { said: String },
    #[error(
        "snowflake gave no refresh token, so the consent would end within minutes: ALTER SECURITY INTEGRATION <integration> SET OAUTH_ISSUE_REFRESH_TOKENS = TRUE"
    )]
    NoRefreshToken,
    #[error("the system's random numbers failed")]
    Random,
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Snowflake(#[from] Error),
}

/// A sign-in that waits for its person.
#[derive(Clone, Debug)]
pub struct Begun {
    /// To be opened in a browser. It holds the state, so it is for that person only.
    pub url: String,
    pub until: Timestamp,
}

/// A consent that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    pub source: String,
    /// Who consented, as Snowflake names them.
    pub user: Option<String>,
    /// When they have to do it again.
    pub until: Timestamp,
}

/// How a source's consent stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConsentHealth {
    /// Nobody has consented yet.
    Missing,
    Good {
        until: Timestamp,
    },
    /// Less than a week, or a quarter of its time, is left.
    EndsSoon {
        until: Timestamp,
    },
    /// Less than a day, or a twelfth of its time, is left.
    EndsNow {
        until: Timestamp,
    },
    /// Re-authorise needed. Pulls stand still, and will make up for it.
    Ended {
        reason: String,
    },
}

impl ConsentHealth {
    /// Whether somebody should be told.
    #[must_use]
    pub const fn needs_somebody(&self) -> bool {
        !matches!(self, Self::Good { .. })
    }
}

impl fmt::Display for ConsentHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("nobody has consented yet"),
            Self::Good { until } => write!(f, "good until {until}"),
            Self::EndsSoon { until } => write!(f, "ends soon, at {until}: authorise again before"),
            Self::EndsNow { until } => write!(f, "ends at {until}: authorise again now"),
            Self::Ended { reason } => write!(f, "re-authorise needed: {reason}"),
        }
    }
}

/// The consent for one source.
#[derive(Clone, Debug)]
pub struct Consent {
    client: Arc<OAuthClient>,
    sealed: Sealed,
}

impl Consent {
    #[must_use]
    pub fn of(client: Arc<OAuthClient>, vault: Arc<dyn Vault>) -> Self {
        let sealed = Sealed::of(&client.source, vault);
        Self { client, sealed }
    }

    /// Begins a sign-in. One that has begun before ends unfinished; a consent that there is stays in use meanwhile.
    pub async fn begin(&self, who: &str, clock: &dyn Clock) -> Result<Begun, ConsentError> {
        let verifier = random()?;
        let state = format!("{}.{}", BASE64_URL_SAFE_NO_PAD.encode(&self.client.source), random()?);
        let challenge = digest::digest(&digest::SHA256, verifier.as_bytes());
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(challenge.as_ref());
        let url = endpoint::authorise_url(&self.client, &state, &challenge)?;
        let until_micros = after(micros(clock), PENDING_SECONDS);
        let redirect_uri = self.client.redirect_uri.clone();
        let pending = Pending { state, verifier, redirect_uri, until_micros, by: who.to_owned() };
        let begin = |document: &mut Document| {
            document.pending = Some(pending.clone());
            true
        };
        self.sealed.update(&note(who, "sign-in begun", String::new()), begin).await?;
        Ok(Begun { url: url.into(), until: at(until_micros) })
    }

    /// Takes what the browser brought: a code, or that it was not to be.
    pub async fn finish(
        &self,
        state: &str,
        outcome: Result<&str, &str>,
        clock: &dyn Clock,
    ) -> Result<Finished, ConsentError> {
        let source_id = || self.client.source.clone();
        let mut known = None;
        let take = |document: &mut Document| {
            known = document
                .pending
                .take_if(|pending| verify_slices_are_equal(pending.state.as_bytes(), state.as_bytes()).is_ok());
            known.is_some()
        };
        // Taken off before anything else happens: whoever comes second finds nothing.
        let taken = self.sealed.update(&note("browser", "sign-in came back", String::new()), take).await?;
        let pending = known.filter(|_| taken).ok_or_else(|| ConsentError::UnknownState { source_id: source_id() })?;
        if micros(clock) >= pending.until_micros {
            return Err(ConsentError::Late { source_id: source_id() });
        }
        if pending.redirect_uri != self.client.redirect_uri {
            let (began, now) = (pending.redirect_uri.clone(), self.client.redirect_uri.clone());
            return Err(ConsentError::RedirectChanged { source_id: source_id(), began, now });
        }
        let code = outcome.map_err(|said| ConsentError::Denied { said: quoted(said, "") })?;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", pending.redirect_uri.as_str()),
            ("code_verifier", pending.verifier.as_str()),
        ];
        let tokens = endpoint::request(&self.client, &form).await.map_err(|refused| match refused {
            Refused::Grant(said) => ConsentError::Code { source_id: source_id(), said: said.replace(code, "***") },
            Refused::Client(said) => ConsentError::Client { said },
            Refused::Other(error) => ConsentError::Snowflake(error),
        })?;
        let refresh_token: &Secret = tokens.refresh_token.as_ref().ok_or(ConsentError::NoRefreshToken)?;
        let now = micros(clock);
        let grant = Grant {
            refresh_token: refresh_token.expose().to_owned(),
            access_token: tokens.access_token.expose().to_owned(),
            access_until_micros: after(now, tokens.expires_in),
            consent_until_micros: after(now, i64::from(self.client.consent_seconds)),
            user: tokens.username.clone(),
        };
        let finished =
            Finished { source: source_id(), user: tokens.username.clone(), until: at(grant.consent_until_micros) };
        let detail = format!("{} until {}", tokens.username.as_deref().unwrap_or("somebody"), finished.until);
        let give = |document: &mut Document| {
            document.grant = Some(grant.clone());
            document.ended = None;
            true
        };
        self.sealed.update(&note(&pending.by, "consent given", detail), give).await?;
        Ok(finished)
    }

    /// How it stands now.
    pub async fn health(&self, clock: &dyn Clock) -> Result<ConsentHealth, VaultError> {
        let (document, _) = self.sealed.load().await?;
        let now = micros(clock);
        Ok(match (&document.ended, &document.grant) {
            (Some(reason), _) => ConsentHealth::Ended { reason: reason.clone() },
            (None, None) => ConsentHealth::Missing,
            (None, Some(grant)) => {
                let until = at(grant.consent_until_micros);
                let lasts = i64::from(self.client.consent_seconds);
                let (soon, at_once) = (WEEK_SECONDS.min(lasts / 4), DAY_SECONDS.min(lasts / 12));
                match grant.consent_until_micros {
                    end if end <= now => ConsentHealth::Ended { reason: format!("the consent ended at {until}") },
                    end if end <= after(now, at_once) => ConsentHealth::EndsNow { until },
                    end if end <= after(now, soon) => ConsentHealth::EndsSoon { until },
                    _ => ConsentHealth::Good { until },
                }
            }
        })
    }

    /// Whether a sign-in waits for its person.
    pub async fn is_pending(&self, clock: &dyn Clock) -> Result<bool, VaultError> {
        let (document, _) = self.sealed.load().await?;
        Ok(document.pending.as_ref().is_some_and(|pending| micros(clock) < pending.until_micros))
    }
}

fn note(who: &str, action: &'static str, detail: String) -> Note {
    Note { who: who.to_owned(), action, detail }
}

/// The source for which a state was made, if it is one of ours. Says nothing about whether it is good.
#[must_use]
pub fn source_of_state(state: &str) -> Option<String> {
    let (source, random) = state.split_once('.')?;
    let source = BASE64_URL_SAFE_NO_PAD.decode(source).ok()?;
    let source = String::from_utf8(source).ok()?;
    (random.len() == 43).then_some(source)
}

/// 256 random bits, as text of 43 characters: what PKCE asks of a verifier.
fn random() -> Result<String, ConsentError> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| ConsentError::Random)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}
