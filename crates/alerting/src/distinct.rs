//! Counts distinct `unique()` values of a dedup window: exactly up to [`EXACT`], by a sketch (`HyperLogLog`) beyond.
//!
//! Small thresholds are the rule and must be exact; a window that sees millions of values must stay a few kilobytes. The
//! text of a value is not kept, only 64 bits of its blake3, so that the encoding is the same on every machine.

const EXACT: usize = 1_024;
/// 2^12 registers: a standard error of 1.6 %.
const REGISTER_BITS: u32 = 12;
const REGISTERS: usize = 1 << REGISTER_BITS;

const TAG_EXACT: u8 = 1;
const TAG_ESTIMATE: u8 = 2;

/// The set of values seen, or its sketch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Distinct {
    /// Sorted hashes.
    Exact(Vec<u64>),
    Estimate(Vec<u8>),
}

impl Distinct {
    pub(crate) fn new() -> Self {
        Self::Exact(Vec::new())
    }

    /// Reads [`Self::encode`]'s bytes; anything else, as from a newer version, counts anew.
    pub(crate) fn decode(bytes: &[u8]) -> Self {
        match bytes.split_first() {
            Some((&TAG_EXACT, hashes)) if hashes.len() % 8 == 0 => Self::Exact(
                hashes.chunks_exact(8).map(|hash| u64::from_le_bytes(hash.try_into().expect("8 bytes"))).collect(),
            ),
            Some((&TAG_ESTIMATE, registers)) if registers.len() == REGISTERS => Self::Estimate(registers.to_vec()),
            _ => Self::new(),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Exact(hashes) => {
                let mut bytes = Vec::with_capacity(1 + hashes.len() * 8);
                bytes.push(TAG_EXACT);
                bytes.extend(hashes.iter().flat_map(|hash| hash.to_le_bytes()));
                bytes
            }
            Self::Estimate(registers) => [&[TAG_ESTIMATE], registers.as_slice()].concat(),
        }
    }

    pub(crate) fn insert(&mut self, value: &str) {
        let digest = blake3::hash(value.as_bytes());
        let hash = u64::from_le_bytes(digest.as_bytes()[..8].try_into().expect("8 of 32 bytes"));
        match self {
            Self::Exact(hashes) => {
                let Err(place) = hashes.binary_search(&hash) else { return };
                hashes.insert(place, hash);
                if hashes.len() > EXACT {
                    let mut registers = vec![0; REGISTERS];
                    hashes.iter().for_each(|&hash| register(&mut registers, hash));
                    *self = Self::Estimate(registers);
                }
            }
            Self::Estimate(registers) => register(registers, hash),
        }
    }

    pub(crate) fn count(&self) -> u64 {
        match self {
            Self::Exact(hashes) => hashes.len() as u64,
            Self::Estimate(registers) => estimate(registers),
        }
    }
}

fn register(registers: &mut [u8], hash: u64) {
    let index = (hash >> (64 - REGISTER_BITS)) as usize;
    let rest = hash << REGISTER_BITS | 1 << (REGISTER_BITS - 1);
    let rank = rest.leading_zeros() as u8 + 1;
    registers[index] = registers[index].max(rank);
}

/// The estimator of Flajolet et al. (2007), with linear counting where registers are still empty.
fn estimate(registers: &[u8]) -> u64 {
    let m = REGISTERS as f64;
    let sum: f64 = registers.iter().map(|&rank| f64::from(rank).exp2().recip()).sum();
    let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
    let empty = registers.iter().filter(|&&rank| rank == 0).count();
    if raw <= 2.5 * m && empty > 0 {
        return (m * (m / empty as f64).ln()).round() as u64;
    }
    raw.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_then_within_five_percent() {
        let mut seen = Distinct::new();
        for n in 1..=200_000_u64 {
            seen.insert(&n.to_string());
            seen.insert(&n.to_string());
            if n <= EXACT as u64 {
                assert_eq!(seen.count(), n);
            } else if n % 9_973 == 0 {
                let off = (seen.count() as f64 / n as f64 - 1.0).abs();
                assert!(off < 0.05, "{n} values counted as {}", seen.count());
            }
        }
        assert_eq!(seen.encode().len(), 1 + REGISTERS);
    }

    #[test]
    fn survives_its_encoding() {
        for values in [0_u32, 1, 1_024, 1_025, 5_000] {
            let mut seen = Distinct::new();
            (0..values).for_each(|n| seen.insert(&n.to_string()));
            assert_eq!(Distinct::decode(&seen.encode()), seen);
        }
        assert_eq!(Distinct::decode(b""), Distinct::new());
        assert_eq!(Distinct::decode(b"\x09abc"), Distinct::new());
    }
}
