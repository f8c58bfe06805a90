//! Who a file is, seen from its beginning, and whether its lines can be taken one by one.

use std::io;

use bytes::Bytes;

use super::listing::{Node, Seen};
use crate::stream::StreamConfig;

/// Of the first line.
const LINE_BYTES: usize = 1024;
/// Of what has no lines.
const WHOLE_BYTES: usize = 64;

/// How a file is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taking {
    Lines,
    /// All at once when it is quiet; what comes after it, likewise.
    Whole,
}

/// A file's first bytes.
pub(super) struct Head(Bytes);

impl Head {
    pub(super) async fn read(seen: &Seen) -> io::Result<Self> {
        let bytes = usize::try_from(seen.size).unwrap_or(LINE_BYTES).min(LINE_BYTES);
        Ok(Self(seen.read(0, bytes).await?))
    }

    #[cfg(test)]
    fn of(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    fn first_line(&self) -> &[u8] {
        let end = self.0.iter().position(|&byte| byte == b'\n').unwrap_or(self.0.len());
        &self.0[..end]
    }

    /// The first line is there, or so much of it that the rest does not matter.
    pub(super) fn has_whole_line(&self) -> bool {
        self.0.len() == LINE_BYTES || self.first_line().len() < self.0.len()
    }

    pub(super) fn taking(&self, stream: &StreamConfig) -> Taking {
        if self.is_packed() {
            return Taking::Whole;
        }
        match stream {
            StreamConfig::Lines => Taking::Lines,
            StreamConfig::Json
            | StreamConfig::JsonArray(_)
            | StreamConfig::CloudWatchLogs { .. }
            | StreamConfig::Xml(_) => Taking::Whole,
            StreamConfig::Auto if self.opens_a_document() => Taking::Whole,
            StreamConfig::Auto => Taking::Lines,
        }
    }

    /// Compressed, of columns, or UTF-16: what the splitter opens and what its lines cannot be seen in.
    fn is_packed(&self) -> bool {
        const MAGIC: [&[u8]; 9] = [
            &[0x1f, 0x8b],
            &[0x28, 0xb5, 0x2f, 0xfd],
            b"BZh",
            b"\xff\x06\0\0sNaPpY",
            b"PK\x03\x04",
            b"PAR1",
            b"Obj\x01",
            b"\xff\xfe",
            b"\xfe\xff",
        ];
        let is_skippable_zstd = matches!(&self.0[..], [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]);
        is_skippable_zstd || MAGIC.iter().any(|magic| self.0.starts_with(magic))
    }

    /// The first line is XML, or the beginning of a JSON document that goes on in the next, or an array of objects.
    fn opens_a_document(&self) -> bool {
        let line = self.first_line().trim_ascii();
        match line.first() {
            Some(b'[') => line.len() == 1 || line[1..].trim_ascii_start().starts_with(b"{"),
            Some(b'<') => matches!(line.get(1), Some(b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'?' | b'!')),
            Some(b'{') => line.len() < LINE_BYTES && matches!(line.last(), Some(b'{' | b'[' | b',' | b':')),
            _ => false,
        }
    }

    /// 32 hex digits. The inode comes back with another file once a file is deleted, so the beginning is part of it; the
    /// line's end is not, as it may come later than the line.
    pub(super) fn id(&self, node: Node, taking: Taking) -> String {
        let beginning = match taking {
            Taking::Lines => self.first_line(),
            Taking::Whole => &self.0[..self.0.len().min(WHOLE_BYTES)],
        };
        let mut hasher = blake3::Hasher::new();
        hasher.update(&node.stable_device().to_le_bytes()).update(&node.inode.to_le_bytes()).update(beginning);
        hasher.finalize().to_hex()[..32].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_and_lines() {
        for text in ["{\"a\":1}\n", "[2024-01-01] started\n", "plain\n", "", "<14>Jan 1 host app: x,\n"] {
            assert_eq!(Head::of(text).taking(&StreamConfig::Auto), Taking::Lines, "{text}");
        }
        for text in ["[\n{", "[{\"a\":1},\n", " [ {", "{\n  \"Records\": [", "{\"Records\": [\n{"] {
            assert_eq!(Head::of(text).taking(&StreamConfig::Auto), Taking::Whole, "{text}");
            assert_eq!(Head::of(text).taking(&StreamConfig::Lines), Taking::Lines, "{text}");
        }
        let gzip = Head(Bytes::from_static(&[0x1f, 0x8b, 8]));
        assert_eq!(gzip.taking(&StreamConfig::Lines), Taking::Whole);
    }
}
