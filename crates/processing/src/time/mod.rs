//! Timestamps in records: the formats that a schema's `timeFormats` may name, and the reading of each.
//!
//! A format is compiled when its schema is loaded; reading allocates nothing. Texts without a zone are UTC, or the zone
//! that the field's `timeZone` names.

mod calendar;
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
}

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
        }
    }

    /// Reads a number by its literal.
    pub(crate) fn read_number(&self, literal: &str) -> Option<Timestamp> {
        match self {
            Self::Unix(unit) => unit.read(literal),
            Self::UnixAuto => unix::read_auto(literal),
            Self::Cloudflare => unix::read_cloudflare(literal),
            Self::Rfc3339 | Self::Strftime(_) => None,
        }
    }
}
