//! Timestamps in records: the formats that a schema's `timeFormats` may name, and the reading of each.
//!
//! A format is compiled when its schema is loaded; reading allocates nothing. Texts without a zone are UTC, or the zone
//! that the field's `timeZone` names.

mod calendar;
mod layout;
mod rfc3339;
mod strftime;
mod unix;

use uncia_document::Timestamp;

use strftime::Strftime;
pub(crate) use strftime::offset_text;
use unix::Unit;

/// One entry of `timeFormats`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TimeFormat {
    Rfc3339,
    Unix(Unit),
    /// The magnitude picks the unit.
    UnixAuto,
    /// RFC 3339, or an integer in seconds or nanoseconds.
    Cloudflare,
    Strftime(Strftime),
    /// A layout of Go: the first that reads the text.
    Layout(Box<[Strftime]>),
}

/// What stands before a layout of Go.
const LAYOUT: &str = "layout=";

/// The formats that have a name.
pub(crate) const NAMED: &[&str] = &["rfc3339", "unix", "unix_ms", "unix_us", "unix_ns", "unix_auto", "cloudflare"];

impl TimeFormat {
    /// Reads a format; the error says what is wrong with it.
    pub(crate) fn compile(format: &str) -> Result<Self, String> {
        Ok(match format {
            "rfc3339" => Self::Rfc3339,
            "unix" => Self::Unix(Unit::Seconds),
            "unix_ms" => Self::Unix(Unit::Millis),
            "unix_us" => Self::Unix(Unit::Micros),
            "unix_ns" => Self::Unix(Unit::Nanos),
            "unix_auto" => Self::UnixAuto,
            "cloudflare" => Self::Cloudflare,
            _ if format.starts_with(LAYOUT) => {
                let formats = layout::formats(&format[LAYOUT.len()..]);
                Self::Layout(formats.iter().map(|format| Strftime::compile(format)).collect::<Result<_, _>>()?)
            }
            _ if format.contains('%') => Self::Strftime(Strftime::compile(format)?),
            _ => return Err(format!("unknown time format `{format}`")),
        })
    }

    /// Reads a string. `offset`: seconds east of UTC of texts that name no zone.
    pub(crate) fn read_text(&self, text: &str, offset: i32) -> Option<Timestamp> {
        match self {
            Self::Rfc3339 => rfc3339::read(text),
            Self::Unix(unit) => unit.read(text),
            Self::UnixAuto => unix::read_auto(text),
            Self::Cloudflare => rfc3339::read(text).or_else(|| unix::read_cloudflare(text)),
            Self::Strftime(format) => format.read(text, offset),
            Self::Layout(formats) => formats.iter().find_map(|format| format.read(text, offset)),
        }
    }

    /// Reads a number by its literal.
    pub(crate) fn read_number(&self, literal: &str) -> Option<Timestamp> {
        match self {
            Self::Unix(unit) => unit.read(literal),
            Self::UnixAuto => unix::read_auto(literal),
            Self::Cloudflare => unix::read_cloudflare(literal),
            Self::Rfc3339 | Self::Strftime(_) | Self::Layout(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts() {
        for (layout, text, expected) in [
            ("2006-01-02T15:04:05Z07:00", "2024-05-01T10:00:00+02:00", "2024-05-01 08:00:00.000000000"),
            ("2006-01-02T15:04:05Z07:00", "2024-05-01T10:00:00.123456789Z", "2024-05-01 10:00:00.123456789"),
            ("2006-01-02 15:04:05.000", "2024-05-01 10:00:00", "2024-05-01 10:00:00.000000000"),
            ("2006-01-02 15:04:05,999", "2024-05-01 10:00:00,5", "2024-05-01 10:00:00.500000000"),
            ("Mon Jan _2 15:04:05 MST 2006", "Wed May  1 10:00:00 UTC 2024", "2024-05-01 10:00:00.000000000"),
            ("02/Jan/2006:15:04:05 -0700", "01/May/2024:10:00:00 -0500", "2024-05-01 15:00:00.000000000"),
            ("Monday, 2 January 06 3:4:5 PM", "Wednesday, 1 May 24 1:2:3 PM", "2024-05-01 13:02:03.000000000"),
        ] {
            let format = TimeFormat::compile(&format!("layout={layout}")).unwrap();
            let read = format.read_text(text, 0).map(|stamp| stamp.to_string()).unwrap_or_default();
            assert_eq!(read, expected, "{layout}");
        }
        assert!(TimeFormat::compile("layout=x").is_err());
    }
}
