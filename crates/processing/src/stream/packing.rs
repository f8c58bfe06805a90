//! How bytes are packed, seen from their beginning and never from a name.

/// Bytes of a beginning that are looked at.
pub(super) const HEAD_BYTES: usize = 512;

/// What can be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Gzip,
    Zstd,
    Bzip2,
    Snappy,
    Zip,
    Columns(ColumnarFormat),
}

/// Files of columns, whose rows are the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnarFormat {
    Parquet,
    /// An object container file.
    Avro,
}

/// The first byte of a gzip member, enough to tell it from padding.
pub(super) const GZIP_FIRST: u8 = 0x1f;

const GZIP: &[u8] = &[GZIP_FIRST, 0x8b, 0x08];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const SNAPPY: &[u8] = b"\xff\x06\0\0sNaPpY";

impl Packing {
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        // A zip with members, an empty one, and one that says that it is not split after all.
        let is_zip = [&b"PK\x03\x04"[..], b"PK\x05\x06", b"PK00PK\x03\x04"].iter().any(|magic| head.starts_with(magic));
        // Skippable frames may come first: 0x184D2A50 to …5F.
        let is_zstd = head.starts_with(ZSTD) || matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]);
        let is_bzip2 = matches!(head, [b'B', b'Z', b'h', b'1'..=b'9', rest @ ..] if starts_block(rest));
        match head {
            _ if head.starts_with(GZIP) => Some(Self::Gzip),
            _ if is_zstd => Some(Self::Zstd),
            _ if is_bzip2 => Some(Self::Bzip2),
            _ if head.starts_with(SNAPPY) => Some(Self::Snappy),
            _ if is_zip => Some(Self::Zip),
            _ if head.starts_with(b"PAR1") => Some(Self::Columns(ColumnarFormat::Parquet)),
            _ if head.starts_with(b"Obj\x01") => Some(Self::Columns(ColumnarFormat::Avro)),
            _ => None,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Snappy => "snappy",
            Self::Zip => "zip",
            Self::Columns(format) => format.name(),
        }
    }
}

/// The magic of a bzip2 block or of a stream's end, as far as it is there: text may begin with `BZh1` too.
fn starts_block(rest: &[u8]) -> bool {
    [[0x31, 0x41, 0x59, 0x26, 0x53, 0x59], [0x17, 0x72, 0x45, 0x38, 0x50, 0x90]].iter().any(|magic| {
        let seen = rest.len().min(magic.len());
        rest[..seen] == magic[..seen]
    })
}

impl ColumnarFormat {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Parquet => "Parquet",
            Self::Avro => "Avro",
        }
    }
}

/// The name of something that is not read, to say so instead of showing garbage.
pub(super) fn unsupported(head: &[u8]) -> Option<&'static str> {
    let known: [(&[u8], &str); 6] = [
        (b"\xfd7zXZ\0", "xz"),
        (b"\x04\x22\x4d\x18", "lz4"),
        (b"\x1f\x9d", "compress (.Z)"),
        (b"7z\xbc\xaf\x27\x1c", "7z"),
        (b"Rar!\x1a\x07", "rar"),
        (b"ORC\x01", "ORC"),
    ];
    let is_tar = head.get(257..262) == Some(b"ustar");
    known.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, name)| *name).or(is_tar.then_some("tar"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_not_packed() {
        for text in ["", "{", "BZh1 is a word", "PK is too", "Objective", "PAR2", "(\u{b5}"] {
            assert_eq!((Packing::of(text.as_bytes()), unsupported(text.as_bytes())), (None, None), "{text}");
        }
    }
}
