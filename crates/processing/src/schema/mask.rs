//! `mask`: what is stored instead of a value that should not be.

use md5::Digest as _;

/// A value is replaced by a text, or by the hash of a salt and the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mask {
    Redact(Box<str>),
    Hash { algorithm: Algorithm, salt: Box<str> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Md5,
    Sha1,
    Sha256,
    Sha512,
}

impl Mask {
    /// What `type` may be.
    pub(crate) const TYPES: &[&str] = &["redact", "md5", "sha1", "sha256", "sha512"];
    pub(crate) const DEFAULT_TEXT: &str = "REDACTED";

    pub(crate) fn apply(&self, value: &str) -> String {
        match self {
            Self::Redact(text) => text.to_string(),
            Self::Hash { algorithm, salt } => algorithm.hex(&[salt.as_bytes(), value.as_bytes()].concat()),
        }
    }
}

impl Algorithm {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "md5" => Self::Md5,
            "sha1" => Self::Sha1,
            "sha256" => Self::Sha256,
            "sha512" => Self::Sha512,
            _ => return None,
        })
    }

    fn hex(self, bytes: &[u8]) -> String {
        let digest: Vec<u8> = match self {
            Self::Md5 => md5::Md5::digest(bytes).to_vec(),
            Self::Sha1 => sha1::Sha1::digest(bytes).to_vec(),
            Self::Sha256 => sha2::Sha256::digest(bytes).to_vec(),
            Self::Sha512 => sha2::Sha512::digest(bytes).to_vec(),
        };
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let hash = |algorithm, salt: &str| Mask::Hash { algorithm, salt: salt.into() };
        for (mask, value, expected) in [
            (Mask::Redact("***".into()), "x", "***"),
            (hash(Algorithm::Md5, ""), "abc", "900150983cd24fb0d6963f7d28e17f72"),
            (hash(Algorithm::Md5, "ab"), "c", "900150983cd24fb0d6963f7d28e17f72"),
            (hash(Algorithm::Sha1, ""), "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (hash(Algorithm::Sha256, ""), "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                hash(Algorithm::Sha512, ""),
                "abc",
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                 2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
        ] {
            assert_eq!(mask.apply(value), expected, "{mask:?}");
        }
    }
}
