//! `validate`: what a string must or must not be for its record to be of this log type.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// All conditions of one field; each that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Validate {
    /// One of these; when set, `deny` is not looked at.
    pub(crate) allow: Vec<Box<str>>,
    pub(crate) deny: Vec<Box<str>>,
    pub(crate) allow_contains: Vec<Box<str>>,
    pub(crate) deny_contains: Vec<Box<str>>,
    pub(crate) ip: Option<Family>,
    pub(crate) cidr: Option<Family>,
}

/// Which addresses are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
    Any,
}

impl Family {
    pub(crate) const NAMES: &[&str] = &["ipv4", "ipv6", "any"];

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "ipv4" => Self::V4,
            "ipv6" => Self::V6,
            "any" => Self::Any,
            _ => return None,
        })
    }

    fn has_address(self, text: &str) -> bool {
        match self {
            Self::V4 => text.parse::<Ipv4Addr>().is_ok(),
            Self::V6 => text.parse::<Ipv6Addr>().is_ok(),
            Self::Any => text.parse::<IpAddr>().is_ok(),
        }
    }

    fn has_network(self, text: &str) -> bool {
        let Some((address, bits)) = text.split_once('/') else { return false };
        if !self.has_address(address) || bits.is_empty() || !bits.bytes().all(|b| b.is_ascii_digit()) {
            return false;
        }
        let most = if address.contains(':') { 128 } else { 32 };
        bits.parse::<u32>().is_ok_and(|bits| bits <= most)
    }
}

impl Validate {
    /// What the text violates, if anything.
    pub(crate) fn violation(&self, text: &str) -> Option<&'static str> {
        let in_list = |list: &[Box<str>]| list.iter().any(|word| **word == *text);
        let has_part = |list: &[Box<str>]| list.iter().any(|word| text.contains(&**word));
        if !self.allow.is_empty() {
            if !in_list(&self.allow) {
                return Some("is not in the `allow` list");
            }
        } else if in_list(&self.deny) {
            return Some("is in the `deny` list");
        }
        if !self.allow_contains.is_empty() && !has_part(&self.allow_contains) {
            return Some("contains nothing of the `allowContains` list");
        }
        if has_part(&self.deny_contains) {
            return Some("contains something of the `denyContains` list");
        }
        if self.ip.is_some_and(|family| !family.has_address(text)) {
            return Some("is no IP address of the family that `validate` asks for");
        }
        if self.cidr.is_some_and(|family| !family.has_network(text)) {
            return Some("is no CIDR of the family that `validate` asks for");
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let list = |words: &[&str]| words.iter().map(|&word| Box::from(word)).collect::<Vec<Box<str>>>();
        let allow = Validate { allow: list(&["a", "b"]), deny: list(&["a"]), ..Validate::default() };
        let deny = Validate { deny: list(&["a"]), ..Validate::default() };
        let contains = Validate { allow_contains: list(&["x"]), deny_contains: list(&["y"]), ..Validate::default() };
        let v4 = Validate { ip: Some(Family::V4), ..Validate::default() };
        let any = Validate { ip: Some(Family::Any), ..Validate::default() };
        let net = Validate { cidr: Some(Family::Any), ..Validate::default() };
        for (rule, text, holds) in [
            (&allow, "a", true),
            (&allow, "A", false),
            (&deny, "a", false),
            (&deny, "b", true),
            (&contains, "ax", true),
            (&contains, "axy", false),
            (&contains, "a", false),
            (&v4, "10.0.0.1", true),
            (&v4, "::1", false),
            (&any, "::1", true),
            (&any, "10.0.0.1/8", false),
            (&net, "10.0.0.0/8", true),
            (&net, "10.0.0.0/33", false),
            (&net, "::/+1", false),
            (&net, "::/128", true),
        ] {
            assert_eq!(rule.violation(text).is_none(), holds, "{rule:?} {text}");
        }
    }
}
