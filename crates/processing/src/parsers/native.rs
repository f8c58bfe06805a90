//! Formats that the schema language cannot express, by name: `parser: {native: {name: syslog}}`.

use uncia_model::Head;

use super::header::Header;
use super::keyvalue::{KeyValue, auditd, cef, leef};
use super::pairs::Pairs;
use super::{Line, syslog, vpcflow, zeek};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Native {
    Syslog,
    KeyValue(KeyValue),
    Cef,
    Leef,
    Auditd,
    Zeek,
    VpcFlow,
}

impl Native {
    pub(crate) const NAMES: &[&str] = &["syslog", "keyvalue", "cef", "leef", "auditd", "zeek", "vpcflow"];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "syslog" => Self::Syslog,
            "keyvalue" => Self::KeyValue(KeyValue::default()),
            "cef" => Self::Cef,
            "leef" => Self::Leef,
            "auditd" => Self::Auditd,
            "zeek" => Self::Zeek,
            "vpcflow" => Self::VpcFlow,
            _ => return None,
        })
    }

    /// Names that are known before a record is seen.
    pub(crate) fn columns(&self) -> Vec<Box<str>> {
        match self {
            Self::VpcFlow => vpcflow::default_columns(),
            _ => Vec::new(),
        }
    }

    /// Whether the same log type is also sent as JSON.
    pub(super) fn is_also_json(&self) -> bool {
        matches!(self, Self::Zeek | Self::VpcFlow)
    }

    /// Lines of the format itself that are no records.
    pub(super) fn is_comment(&self, line: &str) -> bool {
        matches!(self, Self::Zeek) && line.starts_with('#')
    }

    pub(super) fn header(&self, head: &Head) -> Result<Option<Header>, String> {
        match self {
            Self::Zeek => zeek::header(head),
            Self::VpcFlow => Ok(vpcflow::header(head)),
            Self::Syslog | Self::KeyValue(_) | Self::Cef | Self::Leef | Self::Auditd => Ok(None),
        }
    }

    pub(super) fn read(&self, line: &Line<'_>, header: Option<&Header>, pairs: &mut Pairs) -> Result<(), String> {
        match self {
            Self::Syslog => syslog::read(line, pairs),
            Self::KeyValue(keys) => keys.read(line.text, pairs),
            Self::Cef => cef(line.text, pairs),
            Self::Leef => leef(line.text, pairs),
            Self::Auditd => auditd(line.text, pairs),
            Self::Zeek => zeek::read(line, header, pairs),
            Self::VpcFlow => vpcflow::read(line, header, pairs),
        }
    }
}
