//! RSA keys: loading what people have, making new ones, and the fingerprint under which Snowflake knows them.
//!
//! aws-lc-rs does the arithmetic in constant time; pkcs8 opens encrypted files, those of today's openssl (AES-256) and those
//! that older instructions made (3DES). Private bytes live in memory that is wiped when it is given back, and only the public
//! part has a printed form.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize as AwsKeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use pkcs8::der::{SecretDocument, pem::LineEnding};
use uncia_model::Secret;
use zeroize::Zeroizing;

/// A key that cannot be used. No text repeats any of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error(
        "this is no PEM file: it starts with `-----BEGIN PRIVATE KEY-----` or `-----BEGIN ENCRYPTED PRIVATE KEY-----`"
    )]
    NoPem,
    #[error(
        "this PEM file holds a {label}, not a private key: give the .p8 file that `openssl genrsa | openssl pkcs8 -topk8` makes"
    )]
    Label { label: String },
    #[error("the private key is encrypted: give its passphrase")]
    NoPassphrase,
    #[error(
        "the private key cannot be decrypted: the passphrase is wrong, or its encryption is other than AES or 3DES in PKCS#5"
    )]
    Decryption,
    #[error(
        "the private key is encrypted in the old PEM way: convert it with `openssl pkcs8 -topk8 -v2 aes256 -in KEY -out KEY.p8`"
    )]
    OldEncryption,
    #[error("the private key is no RSA key of at least 2048 bits: Snowflake takes no other")]
    NotRsa,
    #[error("the key cannot be made: the system's random numbers failed")]
    Generation,
    #[error("the public key cannot be read: give PEM or one line of base64")]
    Public,
}

/// How large a new key is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeySize {
    #[default]
    Bits2048,
    Bits4096,
}

/// A private key with its public part.
pub struct RsaKey {
    pair: KeyPair,
    public: Vec<u8>,
    fingerprint: String,
}

impl RsaKey {
    /// Makes a new one. Takes a tenth of a second for 2048 bits, some seconds for 4096.
    pub fn generate(size: KeySize) -> Result<Self, KeyError> {
        let size = match size {
            KeySize::Bits2048 => AwsKeySize::Rsa2048,
            KeySize::Bits4096 => AwsKeySize::Rsa4096,
        };
        Self::of(KeyPair::generate(size).map_err(|_| KeyError::Generation)?)
    }

    /// Loads PKCS#8, plain or encrypted, or PKCS#1, all as PEM.
    pub fn from_pem(pem: &Secret, passphrase: Option<&Secret>) -> Result<Self, KeyError> {
        let text = Zeroizing::new(unix_lines(pem.expose()));
        if text.contains("Proc-Type: 4,ENCRYPTED") {
            return Err(KeyError::OldEncryption);
        }
        let (label, document) = SecretDocument::from_pem(&text).map_err(|_| KeyError::NoPem)?;
        let pair = match label {
            "PRIVATE KEY" => KeyPair::from_pkcs8(document.as_bytes()),
            "RSA PRIVATE KEY" => KeyPair::from_der(document.as_bytes()),
            "ENCRYPTED PRIVATE KEY" => {
                let passphrase = passphrase.ok_or(KeyError::NoPassphrase)?;
                let sealed =
                    pkcs8::EncryptedPrivateKeyInfo::try_from(document.as_bytes()).map_err(|_| KeyError::NoPem)?;
                let opened = sealed.decrypt(passphrase.expose()).map_err(|_| KeyError::Decryption)?;
                KeyPair::from_pkcs8(opened.as_bytes())
            }
            other => return Err(KeyError::Label { label: other.to_owned() }),
        };
        Self::of(pair.map_err(|_| KeyError::NotRsa)?)
    }

    fn of(pair: KeyPair) -> Result<Self, KeyError> {
        let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(|_| KeyError::NotRsa)?;
        let public = spki.as_ref().to_vec();
        let fingerprint = fingerprint(&public);
        Ok(Self { pair, public, fingerprint })
    }

    /// The private key as plain PKCS#8 PEM, for the sealed store and for nothing else.
    pub fn to_pem(&self) -> Result<Secret, KeyError> {
        let der: Pkcs8V1Der<'_> = self.pair.as_der().map_err(|_| KeyError::NotRsa)?;
        let document = SecretDocument::try_from(der.as_ref()).map_err(|_| KeyError::NotRsa)?;
        let pem = document.to_pem("PRIVATE KEY", LineEnding::LF).map_err(|_| KeyError::NotRsa)?;
        Ok(Secret::new(pem.as_str()))
    }

    /// The public part as Snowflake takes it: base64 of the `SubjectPublicKeyInfo`, one line, no armour.
    #[must_use]
    pub fn public_base64(&self) -> String {
        BASE64_STANDARD.encode(&self.public)
    }

    /// `SHA256:<base64>`, as DESC USER shows it.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    #[must_use]
    pub fn bits(&self) -> usize {
        self.pair.public_modulus_len() * 8
    }

    /// Signs with RSASSA-PKCS1-v1_5 over SHA-256: RS256.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| KeyError::Generation)?;
        Ok(signature)
    }
}

impl fmt::Debug for RsaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaKey({})", self.fingerprint)
    }
}

/// The fingerprint of a public key in PEM or as one line of base64.
pub fn fingerprint_of_public(text: &str) -> Result<String, KeyError> {
    let base64: String =
        text.lines().filter(|line| !line.starts_with("-----")).flat_map(str::split_whitespace).collect();
    let der = BASE64_STANDARD.decode(base64).map_err(|_| KeyError::Public)?;
    // An SPKI is a SEQUENCE that spans all of it; anything else would give a fingerprint that Snowflake never has.
    pkcs8::der::Document::try_from(der.as_slice()).map_err(|_| KeyError::Public)?;
    Ok(fingerprint(&der))
}

fn fingerprint(spki: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, spki);
    format!("SHA256:{}", BASE64_STANDARD.encode(digest.as_ref()))
}

/// PEM as it comes out of forms and environment variables: foreign line ends, blanks around it, `\n` written out.
fn unix_lines(pem: &str) -> String {
    let mut text = pem.trim().replace("\r\n", "\n");
    if !text.contains('\n') {
        text = text.replace("\\n", "\n");
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Runs openssl, the other side of these formats; `None` where it is not installed.
    fn openssl(arguments: &[&str]) -> Option<String> {
        let output = Command::new("openssl").args(arguments).output().ok()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(String::from_utf8(output.stdout).unwrap())
    }

    #[test]
    fn every_form_gives_the_same_fingerprint() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let made = RsaKey::generate(KeySize::Bits2048).unwrap();
        assert_eq!((made.bits(), made.public.len()), (2048, 294));
        std::fs::write(path("plain"), made.to_pem().unwrap().expose()).unwrap();
        let Some(aes) = openssl(&["pkcs8", "-topk8", "-in", &path("plain"), "-passout", "pass:s3cret"]) else {
            eprintln!("skipped: no openssl here");
            return;
        };
        let des =
            openssl(&["pkcs8", "-topk8", "-v2", "des3", "-in", &path("plain"), "-passout", "pass:s3cret"]).unwrap();
        let pkcs1 = openssl(&["rsa", "-traditional", "-in", &path("plain")]).unwrap();
        assert!(pkcs1.contains("BEGIN RSA PRIVATE KEY"));
        let passphrase = Secret::new("s3cret");
        for (name, pem, passphrase) in [
            ("plain", made.to_pem().unwrap().expose().to_owned(), None),
            ("one line", made.to_pem().unwrap().expose().trim().replace('\n', "\\n"), None),
            ("dos", made.to_pem().unwrap().expose().replace('\n', "\r\n"), None),
            ("pkcs1", pkcs1, None),
            ("aes", aes.clone(), Some(&passphrase)),
            ("des", des, Some(&passphrase)),
        ] {
            let loaded =
                RsaKey::from_pem(&Secret::new(pem), passphrase).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(loaded.fingerprint(), made.fingerprint(), "{name}");
        }
        let public = openssl(&["pkey", "-in", &path("plain"), "-pubout"]).unwrap();
        assert_eq!(fingerprint_of_public(&public).unwrap(), made.fingerprint());
        assert_eq!(fingerprint_of_public(&made.public_base64()).unwrap(), made.fingerprint());

        let wrong = RsaKey::from_pem(&Secret::new(aes.clone()), Some(&Secret::new("other"))).unwrap_err();
        assert_eq!(wrong, KeyError::Decryption);
        assert_eq!(RsaKey::from_pem(&Secret::new(aes), None).unwrap_err(), KeyError::NoPassphrase);
        assert!(matches!(RsaKey::from_pem(&Secret::new(public), None).unwrap_err(), KeyError::Label { .. }));
        let elliptic = openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]).unwrap();
        assert_eq!(RsaKey::from_pem(&Secret::new(elliptic), None).unwrap_err(), KeyError::NotRsa);
        let small = openssl(&["genrsa", "1024"]).unwrap();
        assert_eq!(RsaKey::from_pem(&Secret::new(small), None).unwrap_err(), KeyError::NotRsa);
        let old = openssl(&["rsa", "-traditional", "-aes256", "-passout", "pass:x", "-in", &path("plain")]).unwrap();
        assert_eq!(RsaKey::from_pem(&Secret::new(old), None).unwrap_err(), KeyError::OldEncryption);
    }

    #[test]
    fn only_the_public_part_is_shown() {
        let key = RsaKey::generate(KeySize::Bits2048).unwrap();
        let pem = key.to_pem().unwrap();
        assert_eq!(format!("{key:?}"), format!("RsaKey({})", key.fingerprint()));
        assert_eq!(format!("{pem:?}"), "***");
        assert_eq!(RsaKey::from_pem(&Secret::new("no key"), None).unwrap_err(), KeyError::NoPem);
        assert_eq!(fingerprint_of_public("AAAA").unwrap_err(), KeyError::Public);
        assert_eq!(fingerprint_of_public("%").unwrap_err(), KeyError::Public);
    }
}
