//! Public keys as `ALTER USER … SET RSA_PUBLIC_KEY` takes them: one line of base64 over a `SubjectPublicKeyInfo`.
//!
//! A key that Snowflake would refuse (PEM armour, not RSA, under 2048 bits) is refused here too, so that a script that
//! would fail in a worksheet fails in the test. Key-pair authentication: docs.snowflake.com, "Key-pair authentication".

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// `1.2.840.113549.1.1.1`, rsaEncryption.
const RSA_ENCRYPTION: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const SMALLEST_BITS: usize = 2048;

/// A registered RSA public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicKey {
    /// The DER `SubjectPublicKeyInfo`.
    pub(crate) spki: Vec<u8>,
    /// `SHA256:` and the base64 of the digest over it.
    pub(crate) fingerprint: String,
}

impl PublicKey {
    /// Reads the text of the SQL literal; the error says what Snowflake would object to.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.contains("-----") {
            return Err("the key has PEM header lines; give the base64 between them alone".to_owned());
        }
        let joined: String = text.chars().filter(|at| !at.is_ascii_whitespace()).collect();
        let spki = STANDARD.decode(&joined).map_err(|_| "the key is not base64".to_owned())?;
        let bits = modulus_bits(&spki).ok_or_else(|| "the key is no RSA SubjectPublicKeyInfo".to_owned())?;
        if bits < SMALLEST_BITS {
            return Err(format!("the key has {bits} bits, at least {SMALLEST_BITS} are required"));
        }
        let fingerprint = format!("SHA256:{}", STANDARD.encode(digest::digest(&digest::SHA256, &spki).as_ref()));
        Ok(Self { spki, fingerprint })
    }
}

/// Bits of the modulus, if this is `SEQUENCE { SEQUENCE { rsaEncryption, … }, BIT STRING { SEQUENCE { n, e } } }` exactly.
fn modulus_bits(spki: &[u8]) -> Option<usize> {
    let (body, rest) = element(spki, 0x30)?;
    if !rest.is_empty() {
        return None;
    }
    let (algorithm, body) = element(body, 0x30)?;
    let (oid, _) = element(algorithm, 0x06)?;
    let (bits, rest) = element(body, 0x03)?;
    if oid != RSA_ENCRYPTION || !rest.is_empty() || bits.first() != Some(&0) {
        return None;
    }
    let (key, _) = element(&bits[1..], 0x30)?;
    let (modulus, key) = element(key, 0x02)?;
    element(key, 0x02)?;
    let digits = &modulus[modulus.iter().position(|byte| *byte != 0)?..];
    Some(digits.len() * 8 - digits[0].leading_zeros() as usize)
}

/// The content of the DER element at the start, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    if *der.first()? != tag {
        return None;
    }
    let first = usize::from(*der.get(1)?);
    let (length, head) = if first < 0x80 {
        (first, 2)
    } else {
        let count = first & 0x7f;
        if count == 0 || count > 4 {
            return None;
        }
        let length = der.get(2..2 + count)?.iter().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte));
        (length, 2 + count)
    };
    let end = head.checked_add(length)?;
    Some((der.get(head..end)?, &der[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    use aws_lc_rs::signature::KeyPair as _;

    #[test]
    fn a_key_is_taken_as_one_line_and_refused_as_pem_or_noise() {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let text = STANDARD.encode(der.as_ref());
        let key = PublicKey::parse(&text).unwrap();
        assert_eq!(key.spki, der.as_ref());
        assert!(key.fingerprint.starts_with("SHA256:"));
        assert_eq!(modulus_bits(&key.spki), Some(2048));

        let pem = format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----");
        assert!(PublicKey::parse(&pem).unwrap_err().contains("PEM"));
        assert!(PublicKey::parse("!!").unwrap_err().contains("base64"));
        assert!(PublicKey::parse(&STANDARD.encode(b"no key")).unwrap_err().contains("SubjectPublicKeyInfo"));
        assert!(PublicKey::parse(&STANDARD.encode(&der.as_ref()[..200])).is_err());
    }
}
