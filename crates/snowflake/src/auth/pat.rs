//! Programmatic access tokens: made by the owner for a user, with an end that only they know.

use async_trait::async_trait;
use uncia_document::Timestamp;
use uncia_model::Secret;

use super::{Token, TokenKind, TokenSource};
use crate::Error;

/// One token, given by the owner (<https://docs.snowflake.com/en/user-guide/programmatic-access-tokens>).
#[derive(Debug)]
pub struct AccessTokenSource {
    token: Token,
    user: Option<String>,
}

impl AccessTokenSource {
    #[must_use]
    pub fn new(token: Secret, user: Option<&str>) -> Self {
        let value = Secret::new(token.expose().trim());
        Self { token: Token { kind: TokenKind::ProgrammaticAccessToken, value }, user: user.map(str::to_owned) }
    }
}

#[async_trait]
impl TokenSource for AccessTokenSource {
    async fn token(&self, _now: Timestamp) -> Result<Token, Error> {
        if self.token.value.expose().is_empty() {
            return Err(Error::Credential { detail: "the programmatic access token is empty".to_owned() });
        }
        Ok(self.token.clone())
    }

    async fn refused(&self, _token: &Token) -> bool {
        false
    }

    fn kind(&self) -> TokenKind {
        TokenKind::ProgrammaticAccessToken
    }

    fn identity(&self) -> String {
        self.user.as_ref().map_or_else(|| "token's user".to_owned(), |user| format!("user {user}"))
    }

    fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }
}
