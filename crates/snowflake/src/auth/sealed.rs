//! The key pair that Uncia keeps: whichever is active now signs.
//!
//! The vault is looked into at most once a minute, so a swap takes effect within a minute, and well before the former key
//! may be removed over there.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;
use uncia_document::Timestamp;
use uncia_model::Clock;

use super::{KeyPairSource, Token, TokenKind, TokenSource};
use crate::rotation::{Keys, RotationError};
use crate::vault::Vault;
use crate::{Account, Error};

const LOOK_AGAIN_MICROS: i64 = 60 * 1_000_000;

/// Signs with the active key of a source.
#[derive(Debug)]
pub struct SealedKeySource {
    source: String,
    account: Account,
    user: String,
    login_name: String,
    vault: Arc<dyn Vault>,
    current: Mutex<Option<Current>>,
}

#[derive(Debug)]
struct Current {
    signer: KeyPairSource,
    looked: i64,
}

impl SealedKeySource {
    #[must_use]
    pub fn new(source: &str, account: Account, user: &str, vault: Arc<dyn Vault>) -> Self {
        let (source, user, login_name) = (source.to_owned(), user.to_owned(), user.to_uppercase());
        Self { source, account, user, login_name, vault, current: Mutex::new(None) }
    }
}

/// A time that the rotation asks for and that is known already.
struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

#[async_trait]
impl TokenSource for SealedKeySource {
    async fn token(&self, now: Timestamp) -> Result<Token, Error> {
        let mut current = self.current.lock().await;
        let micros = now.micros;
        let fresh =
            current.as_ref().is_some_and(|held| (held.looked..held.looked + LOOK_AGAIN_MICROS).contains(&micros));
        if !fresh {
            let clock = At(now);
            let active = Keys::of(&self.source, self.vault.as_ref(), &clock).active().await;
            match (active, current.as_mut()) {
                (Ok(key), Some(held)) if held.signer.fingerprint() == key.fingerprint() => held.looked = micros,
                (Ok(key), _) => {
                    let signer = KeyPairSource::new(&self.account, &self.user, Arc::new(key));
                    *current = Some(Current { signer, looked: micros });
                }
                // A store that is busy for a moment stops no pull that has a key.
                (Err(RotationError::Vault(error)), Some(_)) => {
                    tracing::debug!("the sealed key is not looked at anew: {error}");
                }
                (Err(error), _) => return Err(Error::Credential { detail: error.to_string() }),
            }
        }
        match current.as_ref() {
            Some(held) => held.signer.token(now).await,
            None => Err(Error::Credential { detail: format!("source {} has no key", self.source) }),
        }
    }

    async fn refused(&self, token: &Token) -> bool {
        let mut current = self.current.lock().await;
        if let Some(held) = current.as_mut() {
            // The key may have been swapped a moment ago.
            held.looked = i64::MIN;
            held.signer.refused(token).await;
        }
        true
    }

    fn kind(&self) -> TokenKind {
        TokenKind::KeyPairJwt
    }

    fn identity(&self) -> String {
        let print = self
            .current
            .try_lock()
            .ok()
            .and_then(|held| held.as_ref().map(|held| held.signer.fingerprint().to_owned()));
        let key = print.unwrap_or_else(|| "sealed".to_owned());
        format!("account {}, user {}, key {key}", self.account.jwt_name(), self.login_name)
    }

    fn user(&self) -> Option<&str> {
        Some(&self.user)
    }
}

#[cfg(test)]
mod tests {
    use uncia_model::ManualClock;

    use super::*;
    use crate::auth::{KeySize, RsaKey};
    use crate::rotation::KeyPlace;
    use crate::vault::memory::MemoryVault;

    #[tokio::test]
    async fn a_swap_takes_effect_within_a_minute() {
        let vault = Arc::new(MemoryVault::default());
        let account = Account::parse("myorg-acme").unwrap();
        let source = SealedKeySource::new("prod", account, "u", vault.clone());
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let none = source.token(at(0)).await.unwrap_err();
        assert!(none.is_auth() && none.to_string().contains("uncia snowflake key prod"), "{none}");
        let clock = ManualClock::at(at(0));
        let keys = Keys::of("prod", vault.as_ref(), &clock);
        let (first, second) =
            (RsaKey::generate(KeySize::Bits2048).unwrap(), RsaKey::generate(KeySize::Bits2048).unwrap());
        keys.make(&first, KeyPlace::Slot(1), "ana").await.unwrap();
        let before = source.token(at(1)).await.unwrap();
        assert!(source.identity().ends_with(first.fingerprint()));
        keys.stage(&second, None, "ana").await.unwrap();
        keys.save("ana", async |_| Ok(())).await.unwrap();
        assert_eq!(source.token(at(60)).await.unwrap(), before);
        assert_ne!(source.token(at(61)).await.unwrap(), before);
        assert!(source.identity().ends_with(second.fingerprint()));
        // A refusal makes it look at once.
        keys.roll_back("ana").await.unwrap();
        let refused = source.token(at(62)).await.unwrap();
        assert!(source.refused(&refused).await);
        source.token(at(63)).await.unwrap();
        assert!(source.identity().ends_with(first.fingerprint()));
    }
}
