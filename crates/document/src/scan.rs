//! Finding the end of a string's plain part, eight bytes at a time.
//!
//! Most of a log is strings, so this loop is most of a parse and most of a write.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The place of the first quote, backslash or control character at or after `at`; the length if there is none.
#[inline]
pub(crate) fn special(bytes: &[u8], mut at: usize) -> usize {
    while let Some(word) = bytes.get(at..at + 8) {
        let word = u64::from_le_bytes(word.try_into().expect("eight bytes were asked for"));
        let found = below_space(word) | equal(word, b'"') | equal(word, b'\\');
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while let Some(&byte) = bytes.get(at) {
        if byte < 0x20 || byte == b'"' || byte == b'\\' {
            break;
        }
        at += 1;
    }
    at
}

/// High bits of the bytes below 0x20. Above the first hit there may be false ones; only the first is used.
#[inline]
const fn below_space(word: u64) -> u64 {
    word.wrapping_sub(ONES * 0x20) & !word & HIGHS
}

/// High bits of the bytes equal to `byte`, with the same reservation.
#[inline]
const fn equal(word: u64, byte: u8) -> u64 {
    let differences = word ^ (ONES * byte as u64);
    differences.wrapping_sub(ONES) & !differences & HIGHS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_a_plain_loop() {
        // Every byte at every place of a word, among bytes that could mislead: high ones, and neighbours of the hits.
        for filler in [b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xa2, 0xdc, 0xff, b'a'] {
            for byte in 0..=255_u8 {
                for place in 0..20 {
                    let mut bytes = [filler; 20];
                    bytes[place] = byte;
                    let plain = |b: &u8| *b < 0x20 || *b == b'"' || *b == b'\\';
                    let expected = bytes.iter().position(plain).unwrap_or(20);
                    assert_eq!(special(&bytes, 0), expected, "{byte:#x} in {filler:#x} at {place}");
                }
            }
        }
        assert_eq!(special(b"ab\"cd\"", 3), 5);
        assert_eq!(special(b"", 0), 0);
    }
}
