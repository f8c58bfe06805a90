//! Where secrets lie between two runs. The store's sealed secrets stand behind it; here only what the client needs of them.

use std::fmt;

use async_trait::async_trait;
use uncia_model::Secret;

/// A secret cannot be had or kept. The text is the store's own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct VaultError(pub String);

/// A secret as it was kept last.
#[derive(Clone, Debug)]
pub struct Kept {
    pub content: Secret,
    /// From 1; what a change must name.
    pub revision: u64,
}

/// What is written into the log of credentials, in the same moment as the change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub who: String,
    pub action: &'static str,
    /// Fingerprints and times; never a secret.
    pub detail: String,
}

/// Keeps secrets by name.
#[async_trait]
pub trait Vault: Send + Sync + fmt::Debug {
    async fn load(&self, name: &str) -> Result<Option<Kept>, VaultError>;

    /// Keeps a secret, or forgets it, if it is still at the revision that the caller has seen (0: not there). `false`: it has
    /// changed meanwhile and nothing happened. Durable once it returns.
    async fn keep(&self, name: &str, content: Option<&Secret>, known: u64, note: &Note) -> Result<bool, VaultError>;
}

#[cfg(test)]
pub(crate) mod memory {
    use std::collections::HashMap;
    use std::sync::Mutex;

    use super::*;

    /// A vault for tests.
    #[derive(Debug, Default)]
    pub(crate) struct MemoryVault {
        kept: Mutex<HashMap<String, Kept>>,
        pub(crate) notes: Mutex<Vec<(String, Note)>>,
    }

    #[async_trait]
    impl Vault for MemoryVault {
        async fn load(&self, name: &str) -> Result<Option<Kept>, VaultError> {
            Ok(self.kept.lock().unwrap().get(name).cloned())
        }

        async fn keep(
            &self,
            name: &str,
            content: Option<&Secret>,
            known: u64,
            note: &Note,
        ) -> Result<bool, VaultError> {
            let mut kept = self.kept.lock().unwrap();
            if kept.get(name).map_or(0, |kept| kept.revision) != known {
                return Ok(false);
            }
            match content {
                Some(content) => {
                    kept.insert(name.to_owned(), Kept { content: content.clone(), revision: known + 1 });
                }
                None => {
                    kept.remove(name);
                }
            }
            self.notes.lock().unwrap().push((name.to_owned(), note.clone()));
            Ok(true)
        }
    }
}
