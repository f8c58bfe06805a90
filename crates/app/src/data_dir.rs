//! The data directory: where everything lies, and who may write.
//!
//! ```text
//! <data-dir>/lock            held by the one process that writes
//!            store.sqlite    the control plane and the Iceberg catalog
//!            lake/           the tables: plain Iceberg, readable by anything
//!            wal/            accepted, not yet committed
//!            blobs/          records too large for an event
//!            keys/           the key that seals the store's secrets
//! ```

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use fs4::fs_std::FileExt as _;

use crate::exit::ExitError;

pub(crate) struct DataDir {
    root: PathBuf,
    /// Held while this lives, when opened for writing.
    _lock: Option<File>,
}

impl DataDir {
    /// For commands that change things: makes the directory if need be and takes its lock, in the command's name.
    pub(crate) fn for_writing(root: &Path, command: &str) -> Result<Self> {
        std::fs::create_dir_all(root).with_context(|| format!("cannot make the data directory {}", root.display()))?;
        let root = root.canonicalize().with_context(|| format!("cannot resolve {}", root.display()))?;
        let path = root.join("lock");
        let mut lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        let taken = lock.try_lock_exclusive().with_context(|| format!("cannot lock {}", path.display()))?;
        if !taken {
            let mut holder = String::new();
            lock.read_to_string(&mut holder).unwrap_or_default();
            return Err(ExitError::unavailable(format!(
                "the data directory {} is in use by {}; stop it, or give another --data-dir",
                root.display(),
                if holder.is_empty() { "another process" } else { holder.trim() },
            )));
        }
        lock.set_len(0)?;
        lock.rewind()?;
        writeln!(lock, "uncia {command} (process {})", std::process::id())?;
        Ok(Self { root, _lock: Some(lock) })
    }

    /// For commands that only look: works beside a running writer, on what it committed.
    pub(crate) fn for_reading(root: &Path) -> Result<Self> {
        let store = root.join("store.sqlite");
        if !store.try_exists().with_context(|| format!("cannot look into {}", root.display()))? {
            return Err(ExitError::configuration(format!(
                "there is no data directory at {}; `uncia ingest --data-dir {0} PATH` fills one, `uncia demo` shows one",
                root.display(),
            )));
        }
        Ok(Self { root: root.canonicalize()?, _lock: None })
    }

    /// Whether some process has it open for writing.
    pub(crate) fn is_written(root: &Path) -> bool {
        let Ok(lock) = File::open(root.join("lock")) else { return false };
        !fs4::fs_std::FileExt::try_lock_shared(&lock).unwrap_or(true)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.root.join("store.sqlite")
    }

    pub(crate) fn lake(&self) -> PathBuf {
        self.root.join("lake")
    }

    pub(crate) fn wal(&self) -> PathBuf {
        self.root.join("wal")
    }

    /// Where input that cannot be read twice is put aside while it is taken in.
    pub(crate) fn spool(&self) -> PathBuf {
        self.root.join("spool")
    }

    pub(crate) fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_writer_at_a_time_and_readers_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        assert!(
            DataDir::for_reading(dir.path()).err().unwrap().to_string().starts_with("there is no data directory at")
        );
        let writer = DataDir::for_writing(dir.path(), "serve").unwrap();
        let refused = DataDir::for_writing(dir.path(), "serve").err().unwrap();
        assert!(refused.to_string().contains("is in use by uncia serve (process"), "{refused}");
        assert_eq!(crate::exit::code_of(&refused), crate::exit::Exit::Unavailable);
        assert!(DataDir::is_written(dir.path()));
        drop(writer);
        assert!(!DataDir::is_written(dir.path()));
        DataDir::for_writing(dir.path(), "serve").unwrap();
    }
}
