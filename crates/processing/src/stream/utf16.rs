//! UTF-16 text, as Windows exports it, to UTF-8: told by its byte order mark.

use std::io::{self, Read};

use super::inflate::Packed;

/// Reads UTF-16 as UTF-8. A half of a surrogate pair without the other becomes U+FFFD.
pub(super) struct Utf16 {
    reader: Packed,
    is_big_endian: bool,
    /// The first half of a surrogate pair.
    high: Option<u16>,
    /// Text that did not fit.
    spare: Vec<u8>,
    /// What ended the reading, once the text before it is given out.
    error: Option<io::Error>,
}

/// Whether the bytes begin with UTF-16's byte order mark; if so, whether the first byte is the high one.
pub(super) fn byte_order(head: &[u8]) -> Option<bool> {
    match head {
        // UTF-32 begins alike, and is nobody's log.
        [0xff, 0xfe, 0, 0, ..] => None,
        [0xff, 0xfe, ..] => Some(false),
        [0xfe, 0xff, ..] => Some(true),
        _ => None,
    }
}

impl Utf16 {
    pub(super) fn new(reader: Packed, is_big_endian: bool) -> Self {
        Self { reader, is_big_endian, high: None, spare: Vec::new(), error: None }
    }

    /// Fills the spare with the text of some more bytes; empty at the end.
    fn decode(&mut self) -> io::Result<()> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let mut bytes = Vec::with_capacity(16 * 1024);
        let result = (&mut self.reader).take(16 * 1024).read_to_end(&mut bytes);
        let is_end = result.is_err() || bytes.len() < 16 * 1024;
        self.error = result.err();
        let mut units = Vec::with_capacity(bytes.len() / 2 + 2);
        units.extend(self.high.take());
        let (pairs, odd) = bytes.as_chunks::<2>();
        units.extend(pairs.iter().map(|pair| match self.is_big_endian {
            true => u16::from_be_bytes(*pair),
            false => u16::from_le_bytes(*pair),
        }));
        if !is_end && matches!(units.last(), Some(0xd800..=0xdbff)) {
            self.high = units.pop();
        }
        let text = char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER));
        let mut text: String = text.collect();
        if !odd.is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
        self.spare = text.into_bytes();
        Ok(())
    }
}

impl Read for Utf16 {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.spare.is_empty() {
            self.decode()?;
            if self.spare.is_empty()
                && let Some(error) = self.error.take()
            {
                return Err(error);
            }
        }
        let count = (&self.spare[..]).read(out)?;
        self.spare.drain(..count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_comes_back() {
        let text = "\u{feff}a\u{e9}\u{1f600}\n".repeat(9_001);
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for bytes in [little, big] {
            let is_big = byte_order(&bytes).unwrap();
            let mut read = String::new();
            Utf16::new(Box::new(io::Cursor::new(bytes)), is_big).read_to_string(&mut read).unwrap();
            assert_eq!(read, text);
        }
        let mut read = String::new();
        Utf16::new(Box::new(io::Cursor::new(b"\xff\xfe\x00\xd8a".to_vec())), false).read_to_string(&mut read).unwrap();
        assert_eq!(read, "\u{feff}\u{fffd}\u{fffd}");
    }
}
