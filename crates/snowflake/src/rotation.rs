//! Key pairs that we keep, and their rotation without interruption.
//!
//! ```text
//! none ─ make ─▶ active ─ stage ─▶ pending ─ save: a test with the new key alone ─▶ active, former kept a day
//!                  ▲                 │ cancel                                          │ roll back │ clean up
//!                  └─────────────────┴─────────────────────────────────────────────────┘           ▼ active
//! ```
//!
//! A user has two slots for public keys, both good at the same time, so pulls go on with the active key until the staged one
//! has proved itself. The former key is cleaned up an hour after the swap at the earliest: tokens signed with it live so
//! long. All of it is one sealed document per source, so that keys and state cannot part.

use std::fmt;

use serde::{Deserialize, Serialize};
use uncia_document::Timestamp;
use uncia_model::{Clock, Secret};

use crate::auth::{KeyError, RsaKey};
use crate::sql::{identifier, literal};
use crate::vault::{Note, Vault, VaultError};

/// How long tokens signed with a key may live after the last one was signed.
const DRAIN_MICROS: i64 = 3_600 * 1_000_000;
/// How long a former key is kept to go back to.
const ROLL_BACK_MICROS: i64 = 24 * DRAIN_MICROS;

/// A step that the state of the keys does not allow, or that failed.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("source {source_id} has no key yet: make one with `uncia snowflake key {source_id}`")]
    NoKey { source_id: String },
    #[error("source {source_id} has a key already: `uncia snowflake rotate {source_id}` replaces it")]
    HasKey { source_id: String },
    #[error("source {source_id} has a staged key already: save or cancel it first")]
    Staged { source_id: String },
    #[error("source {source_id} has no staged key: `uncia snowflake rotate {source_id}` stages one")]
    NotStaged { source_id: String },
    #[error("source {source_id} has no former key any more")]
    NoFormer { source_id: String },
    #[error("tokens signed with the former key may be in use until {until} UTC: try again then")]
    TooSoon { until: Timestamp },
    #[error("this is the active key already: rotate to another one")]
    SameKey,
    #[error("the staged key does not sign in, so the active one stays: {0}")]
    Refused(crate::Error),
    #[error("the keys of source {source_id} have been changed by somebody else meanwhile: look at them and try again")]
    Changed { source_id: String },
    #[error("the sealed keys of source {source_id} cannot be read: {detail}")]
    Unreadable { source_id: String, detail: String },
}

/// Where Snowflake holds the public part.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyPlace {
    /// `RSA_PUBLIC_KEY` (1) or `RSA_PUBLIC_KEY_2` (2).
    Slot(u8),
    /// A named key pair.
    Named(String),
}

impl KeyPlace {
    const fn property(slot: u8) -> &'static str {
        if slot == 2 { "RSA_PUBLIC_KEY_2" } else { "RSA_PUBLIC_KEY" }
    }

    /// Where the next key goes.
    fn other(&self) -> Self {
        match self {
            Self::Slot(1) => Self::Slot(2),
            Self::Slot(_) => Self::Slot(1),
            Self::Named(name) => Self::Named(name.clone()),
        }
    }
}

impl fmt::Display for KeyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slot(slot) => f.write_str(Self::property(*slot)),
            Self::Named(name) => write!(f, "key pair {name}"),
        }
    }
}

/// What may be shown of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicPart {
    pub fingerprint: String,
    /// One line of base64, as Snowflake takes it.
    pub public_key: String,
    pub place: KeyPlace,
    pub since: Timestamp,
    pub by: String,
}

/// Where a source's keys stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyState {
    NoKey,
    Active {
        active: PublicPart,
    },
    /// The staged key waits for its public part to be set over there; everything goes on with the active one.
    Pending {
        active: PublicPart,
        staged: PublicPart,
    },
    /// The swap is done; the former key can be gone back to, and should then be removed over there.
    Swapped {
        active: PublicPart,
        former: PublicPart,
    },
}

#[derive(Default, Deserialize, Serialize)]
struct Document {
    active: Option<Held>,
    staged: Option<Held>,
    former: Option<Held>,
}

#[derive(Clone, Deserialize, Serialize)]
struct Held {
    private_key: String,
    fingerprint: String,
    public_key: String,
    place: KeyPlace,
    since_micros: i64,
    by: String,
}

impl Drop for Held {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.private_key);
    }
}

impl Held {
    fn of(key: &RsaKey, place: KeyPlace, now: i64, by: &str) -> Result<Self, KeyError> {
        Ok(Self {
            private_key: key.to_pem()?.expose().to_owned(),
            fingerprint: key.fingerprint().to_owned(),
            public_key: key.public_base64(),
            place,
            since_micros: now,
            by: by.to_owned(),
        })
    }

    fn key(&self) -> Result<RsaKey, KeyError> {
        RsaKey::from_pem(&Secret::new(self.private_key.as_str()), None)
    }

    fn public(&self) -> PublicPart {
        PublicPart {
            fingerprint: self.fingerprint.clone(),
            public_key: self.public_key.clone(),
            place: self.place.clone(),
            since: Timestamp::from_micros(self.since_micros),
            by: self.by.clone(),
        }
    }
}

/// The keys of one source.
pub struct Keys<'a> {
    vault: &'a dyn Vault,
    clock: &'a dyn Clock,
    source: String,
}

impl<'a> Keys<'a> {
    #[must_use]
    pub fn of(source: &str, vault: &'a dyn Vault, clock: &'a dyn Clock) -> Self {
        Self { vault, clock, source: source.to_owned() }
    }

    /// The name under which the document is sealed.
    #[must_use]
    pub fn name(source: &str) -> String {
        format!("snowflake/{source}/key_pair")
    }

    pub async fn state(&self) -> Result<KeyState, RotationError> {
        Ok(self.load().await?.0.state())
    }

    /// The key that pulls sign with.
    pub async fn active(&self) -> Result<RsaKey, RotationError> {
        let (document, _) = self.load().await?;
        let active = document.active.as_ref().ok_or_else(|| self.no_key())?;
        Ok(active.key()?)
    }

    /// Keeps a source's first key.
    pub async fn make(&self, key: &RsaKey, place: KeyPlace, who: &str) -> Result<KeyState, RotationError> {
        let (mut document, revision) = self.load().await?;
        if document.active.is_some() {
            return Err(RotationError::HasKey { source_id: self.source.clone() });
        }
        document.active = Some(Held::of(key, place, self.now(), who)?);
        self.keep(&document, revision, who, "key made", key.fingerprint()).await
    }

    /// Stages the next key: nothing uses it yet. What was former is given up, as its slot is the one that is free.
    pub async fn stage(&self, key: &RsaKey, place: Option<KeyPlace>, who: &str) -> Result<KeyState, RotationError> {
        let (mut document, revision) = self.load().await?;
        let active = document.active.as_ref().ok_or_else(|| self.no_key())?;
        if document.staged.is_some() {
            return Err(RotationError::Staged { source_id: self.source.clone() });
        }
        if active.fingerprint == key.fingerprint() {
            return Err(RotationError::SameKey);
        }
        self.drained(&document)?;
        let place = place.unwrap_or_else(|| active.place.other());
        document.former = None;
        document.staged = Some(Held::of(key, place, self.now(), who)?);
        self.keep(&document, revision, who, "key staged", key.fingerprint()).await
    }

    /// Makes the staged key the active one, if it signs in: `test` tries it alone.
    pub async fn save<T, F>(&self, who: &str, test: T) -> Result<KeyState, RotationError>
    where
        T: FnOnce(RsaKey) -> F,
        F: Future<Output = Result<(), crate::Error>>,
    {
        let (mut document, revision) = self.load().await?;
        let mut staged = document.staged.take().ok_or_else(|| self.not_staged())?;
        test(staged.key()?).await.map_err(RotationError::Refused)?;
        let fingerprint = staged.fingerprint.clone();
        staged.since_micros = self.now();
        who.clone_into(&mut staged.by);
        document.former = document.active.replace(staged);
        if let Some(former) = &mut document.former {
            former.since_micros = self.now();
            who.clone_into(&mut former.by);
        }
        self.keep(&document, revision, who, "key swapped", &fingerprint).await
    }

    /// Gives the staged key up.
    pub async fn cancel(&self, who: &str) -> Result<KeyState, RotationError> {
        let (mut document, revision) = self.load().await?;
        let staged = document.staged.take().ok_or_else(|| self.not_staged())?;
        self.keep(&document, revision, who, "staged key given up", &staged.fingerprint).await
    }

    /// Goes back to the former key; the one that replaced it becomes the former.
    pub async fn roll_back(&self, who: &str) -> Result<KeyState, RotationError> {
        let (mut document, revision) = self.load().await?;
        let mut former = document.former.take().ok_or_else(|| self.no_former())?;
        former.since_micros = self.now();
        who.clone_into(&mut former.by);
        let fingerprint = former.fingerprint.clone();
        document.former = document.active.replace(former);
        if let Some(former) = &mut document.former {
            former.since_micros = self.now();
            who.clone_into(&mut former.by);
        }
        self.keep(&document, revision, who, "rolled back to the former key", &fingerprint).await
    }

    /// Forgets the former key, once no token signed with it can be in use. Where it was is told, as it has to be removed over
    /// there.
    pub async fn clean_up(&self, who: &str) -> Result<PublicPart, RotationError> {
        let (mut document, revision) = self.load().await?;
        self.drained(&document)?;
        let former = document.former.take().ok_or_else(|| self.no_former())?;
        self.keep(&document, revision, who, "former key forgotten", &former.fingerprint).await?;
        Ok(former.public())
    }

    /// Forgets everything, for a source that is given up.
    pub async fn forget(&self, who: &str) -> Result<(), RotationError> {
        let kept = self.vault.load(&Self::name(&self.source)).await?;
        let revision = kept.map_or_else(|| Err(self.no_key()), |kept| Ok(kept.revision))?;
        let note = Note { who: who.to_owned(), action: "keys forgotten", detail: String::new() };
        match self.vault.keep(&Self::name(&self.source), None, revision, &note).await? {
            true => Ok(()),
            false => Err(RotationError::Changed { source_id: self.source.clone() }),
        }
    }

    fn drained(&self, document: &Document) -> Result<(), RotationError> {
        match &document.former {
            Some(former) if self.now() < former.since_micros + DRAIN_MICROS => {
                Err(RotationError::TooSoon { until: Timestamp::from_micros(former.since_micros + DRAIN_MICROS) })
            }
            _ => Ok(()),
        }
    }

    fn now(&self) -> i64 {
        self.clock.now().micros
    }

    async fn load(&self) -> Result<(Document, u64), RotationError> {
        let Some(kept) = self.vault.load(&Self::name(&self.source)).await? else {
            return Ok((Document::default(), 0));
        };
        let mut document: Document = serde_json::from_str(kept.content.expose()).map_err(|error| {
            // Only where and what: the text around it is a key.
            let detail = format!("{:?} error in line {}", error.classify(), error.line());
            RotationError::Unreadable { source_id: self.source.clone(), detail }
        })?;
        if document.former.as_ref().is_some_and(|former| self.now() >= former.since_micros + ROLL_BACK_MICROS) {
            // Gone with the next change; until then nobody can use it.
            document.former = None;
        }
        Ok((document, kept.revision))
    }

    async fn keep(
        &self,
        document: &Document,
        revision: u64,
        who: &str,
        action: &'static str,
        fingerprint: &str,
    ) -> Result<KeyState, RotationError> {
        let text = serde_json::to_string(document).expect("text and numbers always become JSON");
        let note = Note { who: who.to_owned(), action, detail: fingerprint.to_owned() };
        let kept = self.vault.keep(&Self::name(&self.source), Some(&Secret::new(text)), revision, &note).await?;
        if kept { Ok(document.state()) } else { Err(RotationError::Changed { source_id: self.source.clone() }) }
    }

    fn no_key(&self) -> RotationError {
        RotationError::NoKey { source_id: self.source.clone() }
    }

    fn not_staged(&self) -> RotationError {
        RotationError::NotStaged { source_id: self.source.clone() }
    }

    fn no_former(&self) -> RotationError {
        RotationError::NoFormer { source_id: self.source.clone() }
    }
}

impl Document {
    fn state(&self) -> KeyState {
        let Some(active) = self.active.as_ref().map(Held::public) else { return KeyState::NoKey };
        match (&self.staged, &self.former) {
            (Some(staged), _) => KeyState::Pending { active, staged: staged.public() },
            (None, Some(former)) => KeyState::Swapped { active, former: former.public() },
            (None, None) => KeyState::Active { active },
        }
    }
}

/// The statement that sets a public key. For a named pair it depends on whether the name is in use already.
#[must_use]
pub fn set_key_sql(user: &str, key: &PublicPart, replaces_named: bool) -> String {
    let user = identifier(user);
    let public = literal(&key.public_key);
    match &key.place {
        KeyPlace::Slot(slot) => format!("ALTER USER {user} SET {} = {public};", KeyPlace::property(*slot)),
        KeyPlace::Named(name) => {
            let verb = if replaces_named { "ROTATE" } else { "ADD" };
            format!("ALTER USER {user} {verb} KEY PAIR {} PUBLIC_KEY = {public};", identifier(name))
        }
    }
}

/// The statement that removes a public key that is needed no more. A rotated named pair ends by itself.
#[must_use]
pub fn unset_key_sql(user: &str, place: &KeyPlace) -> Option<String> {
    match place {
        KeyPlace::Slot(slot) => Some(format!("ALTER USER {} UNSET {};", identifier(user), KeyPlace::property(*slot))),
        KeyPlace::Named(_) => None,
    }
}

#[cfg(test)]
mod tests;
