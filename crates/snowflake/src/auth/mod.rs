//! Signing in: four kinds of token behind one door.
//!
//! A source gives a token that is good at a time it is told (the server's, as far as we know it), and hears when Snowflake
//! did not take it. Everything else of the client is the same for all of them.

mod key;
mod keypair;
mod pat;
mod sealed;
mod wif;

use std::fmt;

use async_trait::async_trait;
use uncia_document::Timestamp;
use uncia_model::Secret;

pub use self::key::{KeyError, KeySize, RsaKey, fingerprint_of_public};
pub use self::keypair::KeyPairSource;
pub use self::pat::AccessTokenSource;
pub use self::sealed::SealedKeySource;
pub use self::wif::{WorkloadIdentitySource, WorkloadProvider};
use crate::Error;

/// What a token is, as the header `X-Snowflake-Authorization-Token-Type` names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenKind {
    #[default]
    KeyPairJwt,
    OAuth,
    ProgrammaticAccessToken,
    WorkloadIdentity,
}

impl TokenKind {
    #[must_use]
    pub const fn header(self) -> &'static str {
        match self {
            Self::KeyPairJwt => "KEYPAIR_JWT",
            Self::OAuth => "OAUTH",
            Self::ProgrammaticAccessToken => "PROGRAMMATIC_ACCESS_TOKEN",
            Self::WorkloadIdentity => "WORKLOAD_IDENTITY_FEDERATION",
        }
    }
}

impl fmt::Display for TokenKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeyPairJwt => "key-pair token",
            Self::OAuth => "OAuth token",
            Self::ProgrammaticAccessToken => "programmatic access token",
            Self::WorkloadIdentity => "workload identity token",
        })
    }
}

/// A bearer token. It prints as stars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub kind: TokenKind,
    pub value: Secret,
}

/// Where tokens come from.
#[async_trait]
pub trait TokenSource: Send + Sync + fmt::Debug {
    /// A token that is good at `now` and for some minutes more.
    async fn token(&self, now: Timestamp) -> Result<Token, Error>;

    /// Snowflake did not take this token; whether the next one may be another.
    async fn refused(&self, token: &Token) -> bool;

    fn kind(&self) -> TokenKind;

    /// Who signs in and with what, in words without a secret: `user U, key SHA256:…`.
    fn identity(&self) -> String;

    /// The user, where it is known.
    fn user(&self) -> Option<&str> {
        None
    }
}
