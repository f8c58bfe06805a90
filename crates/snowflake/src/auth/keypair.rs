//! Key-pair JWT: signed here, good for an hour at most whatever it says.
//!
//! It is dated half a minute back, lives 59 minutes and is replaced when less than five are left, or at once when Snowflake
//! refuses it: clocks that differ are the commonest reason for that
//! (<https://docs.snowflake.com/en/developer-guide/sql-api/authenticating>).

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use uncia_document::Timestamp;
use uncia_model::Secret;

use super::{RsaKey, Token, TokenKind, TokenSource};
use crate::{Account, Error};

const DATED_BACK_SECONDS: i64 = 30;
const LIFETIME_SECONDS: i64 = 59 * 60;
const RENEW_BEFORE_SECONDS: i64 = 5 * 60;

/// Signs for one user with one key.
#[derive(Debug)]
pub struct KeyPairSource {
    account: String,
    user: String,
    key: Arc<RsaKey>,
    signed: Mutex<Option<Signed>>,
}

#[derive(Clone, Debug)]
struct Signed {
    token: Token,
    from: i64,
    until: i64,
}

impl KeyPairSource {
    /// The user is the login name; Snowflake compares it in upper case.
    #[must_use]
    pub fn new(account: &Account, user: &str, key: Arc<RsaKey>) -> Self {
        Self::verbatim(&account.jwt_name(), &user.to_uppercase(), key)
    }

    /// For names that must not be folded, such as those created in quotes.
    #[must_use]
    pub fn verbatim(account: &str, user: &str, key: Arc<RsaKey>) -> Self {
        Self { account: account.to_owned(), user: user.to_owned(), key, signed: Mutex::new(None) }
    }

    #[must_use]
    pub fn fingerprint(&self) -> &str {
        self.key.fingerprint()
    }

    fn sign(&self, now: i64) -> Result<Signed, Error> {
        let subject = format!("{}.{}", self.account, self.user);
        let (from, until) = (now - DATED_BACK_SECONDS, now - DATED_BACK_SECONDS + LIFETIME_SECONDS);
        let claims = serde_json::json!({
            "iss": format!("{subject}.{}", self.key.fingerprint()),
            "sub": subject,
            "iat": from,
            "exp": until,
        });
        let mut text = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT"}"#);
        text.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut text);
        let signature =
            self.key.sign(text.as_bytes()).map_err(|error| Error::Credential { detail: error.to_string() })?;
        text.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut text);
        Ok(Signed { token: Token { kind: TokenKind::KeyPairJwt, value: Secret::new(text) }, from, until })
    }
}

#[async_trait]
impl TokenSource for KeyPairSource {
    async fn token(&self, now: Timestamp) -> Result<Token, Error> {
        let now = now.micros.div_euclid(1_000_000);
        let mut kept = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signed) = &*kept
            && signed.from <= now
            && now < signed.until - RENEW_BEFORE_SECONDS
        {
            return Ok(signed.token.clone());
        }
        let signed = self.sign(now)?;
        let token = signed.token.clone();
        *kept = Some(signed);
        Ok(token)
    }

    async fn refused(&self, token: &Token) -> bool {
        let mut kept = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.as_ref().is_some_and(|signed| signed.token == *token) {
            *kept = None;
        }
        // A new one carries the time that Snowflake's answer has told.
        true
    }

    fn kind(&self) -> TokenKind {
        TokenKind::KeyPairJwt
    }

    fn identity(&self) -> String {
        format!("account {}, user {}, key {}", self.account, self.user, self.key.fingerprint())
    }

    fn user(&self) -> Option<&str> {
        Some(&self.user)
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    use super::*;
    use crate::auth::KeySize;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[tokio::test]
    async fn the_token_says_who_and_when_and_is_signed() {
        let key = Arc::new(RsaKey::generate(KeySize::Bits2048).unwrap());
        let account = Account::parse("myorg-my_account").unwrap();
        let source = KeyPairSource::new(&account, "uncia_user", key.clone());
        let token = source.token(at(1_000_000)).await.unwrap();
        let parts: Vec<&str> = token.value.expose().split('.').collect();
        let claims: serde_json::Value =
            serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
        assert_eq!(claims["sub"], "MYORG-MY_ACCOUNT.UNCIA_USER");
        assert_eq!(claims["iss"], format!("MYORG-MY_ACCOUNT.UNCIA_USER.{}", key.fingerprint()));
        assert_eq!((claims["iat"].as_i64(), claims["exp"].as_i64()), (Some(999_970), Some(999_970 + 3_540)));
        let signed = format!("{}.{}", parts[0], parts[1]);
        let spki = base64::prelude::BASE64_STANDARD.decode(key.public_base64()).unwrap();
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, spki)
            .verify(signed.as_bytes(), &BASE64_URL_SAFE_NO_PAD.decode(parts[2]).unwrap())
            .unwrap();
        assert_eq!(
            format!("{token:?} {}", source.identity()),
            format!(
                "Token {{ kind: KeyPairJwt, value: *** }} account MYORG-MY_ACCOUNT, user UNCIA_USER, key {}",
                key.fingerprint()
            )
        );
    }

    #[tokio::test]
    async fn it_is_kept_until_it_is_old_refused_or_from_the_future() {
        let key = Arc::new(RsaKey::generate(KeySize::Bits2048).unwrap());
        let source = KeyPairSource::verbatim("A", "u", key);
        let first = source.token(at(0)).await.unwrap();
        assert_eq!(source.token(at(3_209)).await.unwrap(), first);
        let second = source.token(at(3_210)).await.unwrap();
        assert_ne!(second, first);
        // Someone else's refusal changes nothing.
        assert!(source.refused(&first).await);
        assert_eq!(source.token(at(3_300)).await.unwrap(), second);
        assert!(source.refused(&second).await);
        let third = source.token(at(3_301)).await.unwrap();
        assert_ne!(third, second);
        // The server's clock turned out to be behind.
        assert_ne!(source.token(at(2_000)).await.unwrap(), third);
    }
}
