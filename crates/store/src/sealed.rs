//! Secrets at rest: envelope encryption with AES-256-GCM.
//!
//! ```text
//! key-encryption key ─wraps─▶ data key, one per secret and per change ─seals─▶ content
//! ```
//!
//! The name of a secret and the id of the wrapping key are authenticated with it: a row that is moved to another name, or
//! changed in a single bit, does not open. Replacing the key-encryption key wraps the data keys anew, in one transaction,
//! and leaves the contents alone.

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::rand;
use sqlx::{Row, Sqlite, Transaction};
use uncia_model::Secret;
use zeroize::Zeroizing;

use crate::keyring::{KEY_BYTES, KeyEncryptionKey};
use crate::{Keyring, Store, StoreError, number};

/// Notes which key new secrets are wrapped with, so that a process that missed a rotation cannot wrap with the former.
const KEY_FACT: &str = "sealed_key_id";
const NONCE_BYTES: usize = 12;

/// A sealed secret cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SealedError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "secret `{name}` is sealed with key {key_id}, and the key at hand is {at_hand}: give the key it was sealed with"
    )]
    OtherKey { name: String, key_id: String, at_hand: String },
    #[error(
        "new secrets are sealed with key {key_id}, and the key at hand is {at_hand}: the key was replaced, use the new one"
    )]
    Superseded { key_id: String, at_hand: String },
    #[error("secret `{name}` does not open: the store was changed behind it; restore it from a backup")]
    Damaged { name: String },
    #[error("the system's random numbers failed")]
    Random,
}

/// A secret as it was sealed last.
#[derive(Clone, Debug)]
pub struct Unsealed {
    pub content: Secret,
    /// From 1; what a change must name.
    pub revision: u64,
}

/// What may be told about a sealed secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedName {
    pub name: String,
    pub key_id: String,
    pub updated_micros: i64,
}

/// A line of the log of credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialNote {
    pub at_micros: i64,
    pub who: String,
    pub credential: String,
    pub action: String,
    /// Fingerprints and times; never a secret.
    pub detail: String,
}

impl Store {
    /// Opens a secret.
    pub async fn unseal(&self, keyring: &Keyring, name: &str) -> Result<Option<Unsealed>, SealedError> {
        let action = "read a sealed secret";
        let failed = self.failed(action);
        let mut snapshot = self.read(action).await?;
        let row = sqlx::query("SELECT revision, key_id, wrapped_key, content FROM sealed WHERE name = ?")
            .bind(name)
            .fetch_optional(&mut *snapshot)
            .await
            .map_err(failed)?;
        let Some(row) = row else { return Ok(None) };
        let revision = number::from_sql(row.try_get(0).map_err(failed)?);
        let key_id: String = row.try_get(1).map_err(failed)?;
        let key = keyring.find(&key_id).ok_or_else(|| other_key(name, &key_id, keyring))?;
        let data_key = unwrap(key, name, row.try_get(2).map_err(failed)?)?;
        let content = open(&data_key.aead(), name, row.try_get(3).map_err(failed)?)?;
        let content = std::str::from_utf8(&content).map_err(|_| SealedError::Damaged { name: name.to_owned() })?;
        Ok(Some(Unsealed { content: Secret::new(content), revision }))
    }

    /// Seals a secret, or forgets it, and notes it. `known` is the revision that the caller has seen, 0 for none; if the
    /// secret has changed since, nothing happens and the answer is `false`.
    pub async fn seal(
        &self,
        keyring: &Keyring,
        name: &str,
        content: Option<&Secret>,
        known: u64,
        note: &CredentialNote,
    ) -> Result<bool, SealedError> {
        let action = "seal a secret";
        let failed = self.failed(action);
        let mut transaction = self.write(action).await?;
        self.claim(&mut transaction, keyring).await?;
        let found: Option<i64> = sqlx::query_scalar("SELECT revision FROM sealed WHERE name = ?")
            .bind(name)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed)?;
        if found.map_or(0, number::from_sql) != known {
            return Ok(false);
        }
        match content {
            Some(content) => {
                let data_key = DataKey::generate()?;
                let wrapped = wrap(&keyring.current, name, &data_key)?;
                let sealed = close(&data_key.aead(), name, content.expose().as_bytes())?;
                sqlx::query(
                    "INSERT INTO sealed (name, revision, key_id, wrapped_key, content, updated_micros) VALUES (?, ?, ?, ?, ?, ?) \
                     ON CONFLICT (name) DO UPDATE SET revision = excluded.revision, key_id = excluded.key_id, \
                     wrapped_key = excluded.wrapped_key, content = excluded.content, updated_micros = excluded.updated_micros",
                )
                .bind(name)
                .bind(number::to_sql(known + 1))
                .bind(keyring.current.id())
                .bind(wrapped)
                .bind(sealed)
                .bind(note.at_micros)
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
            }
            None => {
                sqlx::query("DELETE FROM sealed WHERE name = ?")
                    .bind(name)
                    .execute(&mut *transaction)
                    .await
                    .map_err(failed)?;
            }
        }
        sqlx::query("INSERT INTO credential_log (at_micros, who, credential, action, detail) VALUES (?, ?, ?, ?, ?)")
            .bind(note.at_micros)
            .bind(&note.who)
            .bind(&note.credential)
            .bind(&note.action)
            .bind(&note.detail)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(true)
    }

    /// The names of all sealed secrets.
    pub async fn sealed_names(&self) -> Result<Vec<SealedName>, StoreError> {
        let action = "list the sealed secrets";
        let failed = self.failed(action);
        let mut snapshot = self.read(action).await?;
        let rows = sqlx::query("SELECT name, key_id, updated_micros FROM sealed ORDER BY name")
            .fetch_all(&mut *snapshot)
            .await
            .map_err(failed)?;
        let name = |row: sqlx::sqlite::SqliteRow| -> Result<SealedName, sqlx::Error> {
            Ok(SealedName { name: row.try_get(0)?, key_id: row.try_get(1)?, updated_micros: row.try_get(2)? })
        };
        rows.into_iter().map(name).collect::<Result<_, _>>().map_err(failed)
    }

    /// What happened to credentials, oldest first.
    pub async fn credential_notes(&self) -> Result<Vec<CredentialNote>, StoreError> {
        let action = "read the log of credentials";
        let failed = self.failed(action);
        let mut snapshot = self.read(action).await?;
        let rows = sqlx::query("SELECT at_micros, who, credential, action, detail FROM credential_log ORDER BY number")
            .fetch_all(&mut *snapshot)
            .await
            .map_err(failed)?;
        let note = |row: sqlx::sqlite::SqliteRow| -> Result<CredentialNote, sqlx::Error> {
            Ok(CredentialNote {
                at_micros: row.try_get(0)?,
                who: row.try_get(1)?,
                credential: row.try_get(2)?,
                action: row.try_get(3)?,
                detail: row.try_get(4)?,
            })
        };
        rows.into_iter().map(note).collect::<Result<_, _>>().map_err(failed)
    }

    /// Wraps all data keys with the ring's next key; how many there were. From then on nobody can seal with the former key.
    pub async fn rewrap(&self, keyring: &Keyring) -> Result<usize, SealedError> {
        let action = "replace the key of the sealed secrets";
        let failed = self.failed(action);
        let next = keyring.next.as_ref().unwrap_or(&keyring.current);
        let mut transaction = self.write(action).await?;
        let rows = sqlx::query("SELECT name, key_id, wrapped_key FROM sealed")
            .fetch_all(&mut *transaction)
            .await
            .map_err(failed)?;
        for row in &rows {
            let name: String = row.try_get(0).map_err(failed)?;
            let key_id: String = row.try_get(1).map_err(failed)?;
            let key = keyring.find(&key_id).ok_or_else(|| other_key(&name, &key_id, keyring))?;
            let data_key = unwrap(key, &name, row.try_get(2).map_err(failed)?)?;
            sqlx::query("UPDATE sealed SET key_id = ?, wrapped_key = ? WHERE name = ?")
                .bind(next.id())
                .bind(wrap(next, &name, &data_key)?)
                .bind(&name)
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
        }
        self.note_key(&mut transaction, next).await?;
        transaction.commit().await.map_err(failed)?;
        Ok(rows.len())
    }

    /// Refuses to seal with a key that another process has replaced meanwhile.
    async fn claim(&self, transaction: &mut Transaction<'_, Sqlite>, keyring: &Keyring) -> Result<(), SealedError> {
        let noted: Option<String> = sqlx::query_scalar("SELECT value FROM facts WHERE name = ?")
            .bind(KEY_FACT)
            .fetch_optional(&mut **transaction)
            .await
            .map_err(self.failed("read the key's id"))?;
        match noted {
            None => Ok(self.note_key(transaction, &keyring.current).await?),
            Some(key_id) if key_id == keyring.current.id() => Ok(()),
            Some(key_id) => Err(SealedError::Superseded { key_id, at_hand: keyring.id().to_owned() }),
        }
    }

    async fn note_key(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
        key: &KeyEncryptionKey,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(KEY_FACT)
        .bind(key.id())
        .execute(&mut **transaction)
        .await
        .map_err(self.failed("note the key's id"))?;
        Ok(())
    }
}

/// Encrypts one content, once.
struct DataKey(Zeroizing<[u8; KEY_BYTES]>);

impl DataKey {
    fn generate() -> Result<Self, SealedError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        rand::fill(&mut *bytes).map_err(|_| SealedError::Random)?;
        Ok(Self(bytes))
    }

    fn aead(&self) -> RandomizedNonceKey {
        RandomizedNonceKey::new(&AES_256_GCM, &*self.0).expect("the key has this algorithm's length")
    }
}

fn wrap(key: &KeyEncryptionKey, name: &str, data_key: &DataKey) -> Result<Vec<u8>, SealedError> {
    close(&key.aead(), &format!("key {} of {name}", key.id()), &*data_key.0)
}

fn unwrap(key: &KeyEncryptionKey, name: &str, wrapped: Vec<u8>) -> Result<DataKey, SealedError> {
    let damaged = || SealedError::Damaged { name: name.to_owned() };
    let bytes = open(&key.aead(), &format!("key {} of {name}", key.id()), wrapped).map_err(|_| damaged())?;
    let bytes = <[u8; KEY_BYTES]>::try_from(bytes.as_slice()).map_err(|_| damaged())?;
    Ok(DataKey(Zeroizing::new(bytes)))
}

/// Nonce, ciphertext, tag.
fn close(key: &RandomizedNonceKey, name: &str, content: &[u8]) -> Result<Vec<u8>, SealedError> {
    let mut sealed = content.to_vec();
    let nonce = key.seal_in_place_append_tag(Aad::from(name), &mut sealed).map_err(|_| SealedError::Random)?;
    sealed.splice(0..0, nonce.as_ref().iter().copied());
    Ok(sealed)
}

fn open(key: &RandomizedNonceKey, name: &str, sealed: Vec<u8>) -> Result<Zeroizing<Vec<u8>>, SealedError> {
    let damaged = || SealedError::Damaged { name: name.to_owned() };
    let (nonce, rest) = sealed.split_at_checked(NONCE_BYTES).ok_or_else(damaged)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged())?;
    let mut content = Zeroizing::new(rest.to_vec());
    let opened = key.open_in_place(nonce, Aad::from(name), &mut content).map_err(|_| damaged())?.len();
    content.truncate(opened);
    Ok(content)
}

fn other_key(name: &str, key_id: &str, keyring: &Keyring) -> SealedError {
    let (name, key_id, at_hand) = (name.to_owned(), key_id.to_owned(), keyring.id().to_owned());
    SealedError::OtherKey { name, key_id, at_hand }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "CANARY-5f1c2e-private-key";

    fn note(action: &str) -> CredentialNote {
        CredentialNote {
            at_micros: 7,
            who: "ana".to_owned(),
            credential: "snowflake/prod".to_owned(),
            action: action.to_owned(),
            detail: "SHA256:abc".to_owned(),
        }
    }

    struct Place {
        dir: tempfile::TempDir,
        store: Store,
        keyring: Keyring,
    }

    impl Place {
        async fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let store = Store::open(&dir.path().join("store.sqlite")).await.unwrap();
            let keyring = Keyring::open(&dir.path().join("keys")).unwrap();
            Self { dir, store, keyring }
        }

        fn reopened(&self) -> Keyring {
            Keyring::open(&self.dir.path().join("keys")).unwrap()
        }

        async fn seal(&self, name: &str, content: &str, known: u64) -> Result<bool, SealedError> {
            self.store.seal(&self.keyring, name, Some(&Secret::new(content)), known, &note("changed")).await
        }

        async fn content(&self, keyring: &Keyring, name: &str) -> Result<Option<String>, SealedError> {
            let unsealed = self.store.unseal(keyring, name).await?;
            Ok(unsealed.map(|unsealed| unsealed.content.expose().to_owned()))
        }
    }

    #[tokio::test]
    async fn a_secret_comes_back_and_shows_nowhere() {
        let place = Place::new().await;
        assert!(place.seal("a", CANARY, 0).await.unwrap());
        assert!(place.seal("a", &format!("{CANARY} again"), 1).await.unwrap());
        assert_eq!(place.content(&place.keyring, "a").await.unwrap().unwrap(), format!("{CANARY} again"));
        assert_eq!(place.content(&place.keyring, "b").await.unwrap(), None);
        let names = place.store.sealed_names().await.unwrap();
        assert_eq!((names[0].name.as_str(), names[0].updated_micros), ("a", 7));
        assert_eq!(place.store.credential_notes().await.unwrap(), [note("changed"), note("changed")]);
        for entry in std::fs::read_dir(place.dir.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let bytes = std::fs::read(&path).unwrap();
                assert!(!bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()), "{}", path.display());
            }
        }
    }

    #[tokio::test]
    async fn two_writers_do_not_overwrite_each_other() {
        let place = Place::new().await;
        assert!(place.seal("a", "1", 0).await.unwrap());
        assert!(!place.seal("a", "2", 0).await.unwrap());
        assert!(place.seal("a", "3", 1).await.unwrap());
        assert!(!place.seal("a", "4", 1).await.unwrap());
        assert_eq!(place.content(&place.keyring, "a").await.unwrap().unwrap(), "3");
        assert!(!place.store.seal(&place.keyring, "a", None, 1, &note("forgotten")).await.unwrap());
        assert!(place.store.seal(&place.keyring, "a", None, 2, &note("forgotten")).await.unwrap());
        assert_eq!(place.content(&place.keyring, "a").await.unwrap(), None);
        // What did not happen is not noted.
        let actions: Vec<String> =
            place.store.credential_notes().await.unwrap().into_iter().map(|note| note.action).collect();
        assert_eq!(actions, ["changed", "changed", "forgotten"]);
    }

    #[tokio::test]
    async fn a_changed_or_moved_row_does_not_open() {
        let place = Place::new().await;
        place.seal("a", CANARY, 0).await.unwrap();
        for sql in [
            "UPDATE sealed SET name = 'b'",
            "UPDATE sealed SET name = 'a', content = content || x'00'",
            "UPDATE sealed SET content = x'00'",
            "UPDATE sealed SET wrapped_key = x'00112233445566778899aabbcc'",
        ] {
            let mut transaction = place.store.write("tamper").await.unwrap();
            sqlx::query(sql).execute(&mut *transaction).await.unwrap();
            transaction.commit().await.unwrap();
            let name = place.store.sealed_names().await.unwrap()[0].name.clone();
            let refused = place.content(&place.keyring, &name).await.unwrap_err();
            assert!(matches!(refused, SealedError::Damaged { .. }), "{sql}: {refused}");
        }
    }

    #[tokio::test]
    async fn the_key_is_replaced_and_an_interrupted_replacement_is_finished() {
        let place = Place::new().await;
        place.seal("a", "1", 0).await.unwrap();
        place.seal("b", "2", 0).await.unwrap();
        let former = place.keyring.id().to_owned();

        // Interrupted before anything was wrapped anew: both keys are at hand.
        let mut ring = place.reopened();
        ring.stage().unwrap();
        let mut again = place.reopened();
        again.stage().unwrap();
        assert_eq!(again.next.as_ref().unwrap().id(), ring.next.as_ref().unwrap().id());
        assert_eq!(place.content(&again, "a").await.unwrap().unwrap(), "1");
        assert_eq!(place.store.rewrap(&again).await.unwrap(), 2);

        // Interrupted after that: whoever opens now has both, and who has only the former reads and writes no more.
        assert_eq!(place.content(&place.reopened(), "a").await.unwrap().unwrap(), "1");
        assert!(matches!(place.content(&place.keyring, "a").await, Err(SealedError::OtherKey { .. })));
        assert!(matches!(place.seal("c", "3", 0).await, Err(SealedError::Superseded { .. })));
        let mut last = place.reopened();
        last.stage().unwrap();
        place.store.rewrap(&last).await.unwrap();
        last.turn().unwrap();
        assert_ne!(last.id(), former);
        let fresh = place.reopened();
        assert_eq!((fresh.id(), fresh.next.is_none()), (last.id(), true));
        assert_eq!(place.content(&fresh, "b").await.unwrap().unwrap(), "2");
        assert!(place.store.seal(&fresh, "c", Some(&Secret::new("3")), 0, &note("made")).await.unwrap());
    }
}
