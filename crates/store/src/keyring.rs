//! The key-encryption key: the one secret that the store does not hold.
//!
//! It is a file of the data directory, made on first use and readable by its owner only, or what the configuration refers
//! to. While it is being replaced there are two files: whichever key a secret is wrapped with is found by its id, so an
//! interrupted rotation is simply run again.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::{aead, digest, rand};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use uncia_model::Secret;
use zeroize::{Zeroize as _, Zeroizing};

const KEY_FILE: &str = "secrets.key";
const NEXT_FILE: &str = "secrets.key.next";
pub(crate) const KEY_BYTES: usize = 32;

/// A key-encryption key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    #[error("key file {}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("key file {} can be read by others: run `chmod 600 {}`", path.display(), path.display())]
    Open { path: PathBuf },
    #[error("{place} holds no key: it must be 32 bytes in base64 or hex, e.g. from `openssl rand -base64 32`")]
    NoKey { place: String },
    #[error("the system's random numbers failed")]
    Random,
}

/// A key that wraps data keys.
pub struct KeyEncryptionKey {
    bytes: Zeroizing<[u8; KEY_BYTES]>,
    id: String,
}

impl KeyEncryptionKey {
    /// A new one.
    pub fn generate() -> Result<Self, KeyringError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        rand::fill(&mut *bytes).map_err(|_| KeyringError::Random)?;
        Ok(Self::of(bytes))
    }

    /// 32 bytes as base64 or hex. `place` names where the text is from.
    pub fn parse(text: &Secret, place: &str) -> Result<Self, KeyringError> {
        let text = text.expose().trim();
        let mut decoded = match text.len() {
            64 => unhex(text).unwrap_or_default(),
            _ => BASE64_STANDARD.decode(text).unwrap_or_default(),
        };
        let bytes = <[u8; KEY_BYTES]>::try_from(decoded.as_slice()).map(Zeroizing::new);
        decoded.zeroize();
        bytes.map(Self::of).map_err(|_| KeyringError::NoKey { place: place.to_owned() })
    }

    fn of(bytes: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        // Says which key it is and nothing about it: a hash under a name of its own.
        let mut named = Zeroizing::new(b"uncia key-encryption key ".to_vec());
        named.extend_from_slice(&*bytes);
        let hash = digest::digest(&digest::SHA256, &named);
        let id = hash.as_ref()[..8].iter().fold(String::new(), |id, byte| id + &format!("{byte:02x}"));
        Self { bytes, id }
    }

    /// Names the key; no secret.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn aead(&self) -> aead::RandomizedNonceKey {
        aead::RandomizedNonceKey::new(&aead::AES_256_GCM, &*self.bytes).expect("the key has this algorithm's length")
    }
}

impl fmt::Debug for KeyEncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyEncryptionKey({})", self.id)
    }
}

/// The keys with which secrets may be wrapped: the one in use, and during a rotation the next.
#[derive(Debug)]
pub struct Keyring {
    pub(crate) current: KeyEncryptionKey,
    pub(crate) next: Option<KeyEncryptionKey>,
    folder: Option<PathBuf>,
}

impl Keyring {
    /// The key of a folder; made if there is none.
    pub fn open(folder: &Path) -> Result<Self, KeyringError> {
        let path = folder.join(KEY_FILE);
        let current = match read(&path)? {
            Some(key) => key,
            None => make(folder, &path)?,
        };
        let next = read(&folder.join(NEXT_FILE))?;
        Ok(Self { current, next, folder: Some(folder.to_path_buf()) })
    }

    /// A key that is kept elsewhere.
    #[must_use]
    pub fn of(current: KeyEncryptionKey, next: Option<KeyEncryptionKey>) -> Self {
        Self { current, next, folder: None }
    }

    /// Names the key in use.
    #[must_use]
    pub fn id(&self) -> &str {
        self.current.id()
    }

    /// Makes the next key of a folder's ring, unless an interrupted rotation has left one.
    pub fn stage(&mut self) -> Result<(), KeyringError> {
        if self.next.is_none() {
            self.next = match &self.folder {
                Some(folder) => Some(make(folder, &folder.join(NEXT_FILE))?),
                None => Some(KeyEncryptionKey::generate()?),
            };
        }
        Ok(())
    }

    /// Makes the next key the one in use. Only once nothing is wrapped with the former.
    pub fn turn(&mut self) -> Result<(), KeyringError> {
        let Some(next) = self.next.take() else { return Ok(()) };
        if let Some(folder) = &self.folder {
            let path = folder.join(KEY_FILE);
            fs::rename(folder.join(NEXT_FILE), &path).map_err(|error| KeyringError::File { path, error })?;
            sync(folder)?;
        }
        self.current = next;
        Ok(())
    }

    pub(crate) fn find(&self, id: &str) -> Option<&KeyEncryptionKey> {
        [Some(&self.current), self.next.as_ref()].into_iter().flatten().find(|key| key.id == id)
    }
}

fn read(path: &Path) -> Result<Option<KeyEncryptionKey>, KeyringError> {
    let failed = |error| KeyringError::File { path: path.to_path_buf(), error };
    let text = match fs::read_to_string(path) {
        Ok(text) => Secret::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(KeyringError::Open { path: path.to_path_buf() });
    }
    KeyEncryptionKey::parse(&text, &path.display().to_string()).map(Some)
}

/// Writes a new key to a name that must be free; whoever comes second takes the first one's.
fn make(folder: &Path, path: &Path) -> Result<KeyEncryptionKey, KeyringError> {
    let failed = |error| KeyringError::File { path: path.to_path_buf(), error };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let key = KeyEncryptionKey::generate()?;
    let text = Zeroizing::new(BASE64_STANDARD.encode(*key.bytes) + "\n");
    let draft = path.with_extension(format!("draft-{}-{}", std::process::id(), key.id));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        // A link never replaces a file, so no key that is in use is ever overwritten.
        .and_then(|()| fs::hard_link(&draft, path));
    let _ = fs::remove_file(&draft);
    match written {
        Ok(()) => sync(folder).map(|()| key),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            read(path)?.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))
        }
        Err(error) => Err(failed(error)),
    }
}

fn sync(folder: &Path) -> Result<(), KeyringError> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| KeyringError::File { path: folder.to_path_buf(), error })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let pairs = digits?;
    pairs.chunks_exact(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_made_once_and_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("keys");
        let first = Keyring::open(&folder).unwrap();
        assert_eq!(Keyring::open(&folder).unwrap().id(), first.id());
        let path = folder.join(KEY_FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        assert!(!format!("{first:?}").contains(fs::read_to_string(&path).unwrap().trim()));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(Keyring::open(&folder).unwrap_err().to_string().contains("chmod 600"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "short").unwrap();
        assert!(matches!(Keyring::open(&folder).unwrap_err(), KeyringError::NoKey { .. }));
    }

    #[test]
    fn a_key_has_one_id_however_it_is_written() {
        let hex = Secret::new("00".repeat(31) + "fF");
        let base64 = Secret::new("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAP8=\n");
        let keys = [hex, base64].map(|text| KeyEncryptionKey::parse(&text, "here").unwrap());
        assert_eq!(keys[0].id(), keys[1].id());
        let wrong = KeyEncryptionKey::parse(&Secret::new("x"), "env:KEY").unwrap_err().to_string();
        assert!(wrong.starts_with("env:KEY holds no key"), "{wrong}");
    }
}
