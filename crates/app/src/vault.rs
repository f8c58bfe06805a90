//! The store's sealed secrets as sources know them, and the key that they are sealed with.
//!
//! The key is read when the first secret is needed, so that installations without any have no key file. From then on this
//! process leaves no core dump and cannot be looked into by others of the same user.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use tokio::sync::RwLock;
use uncia_model::{Clock, Secret};
use uncia_snowflake::vault::{Kept, Note, Vault, VaultError};
use uncia_store::{CredentialNote, KeyEncryptionKey, Keyring, SealedError, Store};

use crate::config::{Config, Secrets};
use crate::exit::ExitError;

/// Where the key file lies in the data directory.
const FOLDER: &str = "keys";

/// The vault of an open store.
pub(crate) fn of(config: &Config, root: &Path, store: &Arc<Store>, clock: &Arc<dyn Clock>) -> Arc<dyn Vault> {
    Arc::new(StoreVault {
        store: store.clone(),
        clock: clock.clone(),
        config: config.secrets.clone(),
        folder: root.join(FOLDER),
        keyring: RwLock::new(None),
    })
}

/// The store of a data directory for single changes beside whoever runs, as SQLite orders them; made if there is none.
pub(crate) async fn open_store(root: &Path) -> Result<Arc<Store>> {
    std::fs::create_dir_all(root).with_context(|| format!("cannot make the data directory {}", root.display()))?;
    let store = Store::open(&root.join("store.sqlite")).await;
    Ok(Arc::new(store.map_err(|error| ExitError::unavailable(error.to_string()))?))
}

/// The configured key, or the data directory's.
pub(crate) fn keyring(config: &Secrets, folder: &Path) -> Result<Keyring> {
    leave_no_dump();
    let Some(key) = &config.key else {
        return Keyring::open(folder).map_err(|error| ExitError::configuration(error.to_string()));
    };
    let next = config.next_key.as_ref().map(|next| configured(next, "secrets.next_key")).transpose()?;
    Ok(Keyring::of(configured(key, "secrets.key")?, next))
}

/// Who is at the terminal, for the log of credentials.
pub(crate) fn who() -> String {
    let names = ["SUDO_USER", "USER", "LOGNAME"].iter();
    names.into_iter().find_map(|name| std::env::var(name).ok()).unwrap_or_else(|| "somebody".to_owned())
}

/// The folder of the key file.
pub(crate) fn folder(root: &Path) -> PathBuf {
    root.join(FOLDER)
}

fn configured(reference: &Secret, field: &str) -> Result<KeyEncryptionKey> {
    let wrong = |error: &dyn fmt::Display| ExitError::configuration(format!("{field}: {error}"));
    let text = uncia_sources::secret::resolve(reference).map_err(|error| wrong(&error))?;
    KeyEncryptionKey::parse(&text, field).map_err(|error| wrong(&error))
}

/// No core file, and no memory shown to debuggers or in /proc: keys are in it from now on.
#[expect(unsafe_code, reason = "the system takes these settings only through C")]
fn leave_no_dump() {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls change settings of this process, by values that live on the stack.
    let done = unsafe {
        libc::setrlimit(libc::RLIMIT_CORE, &raw const none) == 0 && libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) == 0
    };
    if !done {
        tracing::warn!("core dumps of this process could not be switched off: {}", std::io::Error::last_os_error());
    }
}

struct StoreVault {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    config: Secrets,
    folder: PathBuf,
    keyring: RwLock<Option<Arc<Keyring>>>,
}

impl fmt::Debug for StoreVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreVault")
    }
}

impl StoreVault {
    /// The key at hand; read anew if the one at hand has turned out to be a former one.
    async fn keyring(&self, anew: bool) -> Result<Arc<Keyring>, VaultError> {
        if let Some(keyring) = self.keyring.read().await.as_ref().filter(|_| !anew) {
            return Ok(keyring.clone());
        }
        let keyring = keyring(&self.config, &self.folder).map_err(|error| VaultError(error.to_string()))?;
        let keyring = Arc::new(keyring);
        *self.keyring.write().await = Some(keyring.clone());
        Ok(keyring)
    }
}

/// Whether another process may have replaced the key.
const fn is_former_key(error: &SealedError) -> bool {
    matches!(error, SealedError::OtherKey { .. } | SealedError::Superseded { .. })
}

#[async_trait]
impl Vault for StoreVault {
    async fn load(&self, name: &str) -> Result<Option<Kept>, VaultError> {
        let mut unsealed = self.store.unseal(self.keyring(false).await?.as_ref(), name).await;
        if unsealed.as_ref().is_err_and(is_former_key) {
            unsealed = self.store.unseal(self.keyring(true).await?.as_ref(), name).await;
        }
        let kept = unsealed.map_err(|error| VaultError(error.to_string()))?;
        Ok(kept.map(|unsealed| Kept { content: unsealed.content, revision: unsealed.revision }))
    }

    async fn keep(&self, name: &str, content: Option<&Secret>, known: u64, note: &Note) -> Result<bool, VaultError> {
        let note = CredentialNote {
            at_micros: self.clock.now().micros,
            who: note.who.clone(),
            credential: name.to_owned(),
            action: note.action.to_owned(),
            detail: note.detail.clone(),
        };
        let mut kept = self.store.seal(self.keyring(false).await?.as_ref(), name, content, known, &note).await;
        if kept.as_ref().is_err_and(is_former_key) {
            kept = self.store.seal(self.keyring(true).await?.as_ref(), name, content, known, &note).await;
        }
        kept.map_err(|error| VaultError(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use uncia_model::SystemClock;

    use super::*;

    #[tokio::test]
    async fn a_process_that_missed_a_rotation_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let store = open_store(dir.path()).await.unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let config = Config::default();
        let running = of(&config, dir.path(), &store, &clock);
        let note = Note { who: "ana".to_owned(), action: "made", detail: String::new() };
        assert!(running.keep("a", Some(&Secret::new("one")), 0, &note).await.unwrap());
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
        let mut ring = Keyring::open(&folder(dir.path())).unwrap();
        ring.stage().unwrap();
        store.rewrap(&ring).await.unwrap();
        ring.turn().unwrap();
        assert!(running.keep("b", Some(&Secret::new("two")), 0, &note).await.unwrap());
        assert_eq!(running.load("a").await.unwrap().unwrap().content.expose(), "one");
        let names = store.sealed_names().await.unwrap();
        assert!(names.iter().all(|name| name.key_id == ring.id()), "{names:?}");
    }

    #[tokio::test]
    async fn a_configured_key_is_used_and_missing_ones_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let store = open_store(dir.path()).await.unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let file = dir.path().join("kek");
        std::fs::write(&file, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n").unwrap();
        let mut config = Config::default();
        config.secrets.key = Some(Secret::new(format!("file:{}", file.display())));
        let note = Note { who: "ana".to_owned(), action: "made", detail: String::new() };
        let vault = of(&config, dir.path(), &store, &clock);
        assert!(vault.keep("a", Some(&Secret::new("one")), 0, &note).await.unwrap());
        assert!(!folder(dir.path()).try_exists().unwrap());
        // Without it the data directory's own key is tried, which is not the one.
        let other = of(&Config::default(), dir.path(), &store, &clock);
        let refused = other.load("a").await.unwrap_err().to_string();
        assert!(refused.contains("give the key it was sealed with"), "{refused}");
        config.secrets.key = Some(Secret::new("env:UNCIA_NO_SUCH_VARIABLE"));
        let absent = of(&config, dir.path(), &store, &clock).load("a").await.unwrap_err().to_string();
        assert_eq!(absent, "secrets.key: secret `env:UNCIA_NO_SUCH_VARIABLE` is not set in the environment");
    }
}
