//! Network rules and policies: which addresses may come in.

use std::net::IpAddr;

/// A network rule of type IPV4 and mode INGRESS, the kind that guards sign-ins.
#[derive(Clone, Debug)]
pub(crate) struct NetworkRule {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) mode: String,
    pub(crate) values: Vec<String>,
    pub(crate) comment: Option<String>,
    pub(crate) created: i64,
}

/// A network policy: lists of rules, and of addresses as in the older form.
#[derive(Clone, Debug, Default)]
pub(crate) struct NetworkPolicy {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) allowed_rules: Vec<String>,
    pub(crate) blocked_rules: Vec<String>,
    pub(crate) allowed_addresses: Vec<String>,
    pub(crate) blocked_addresses: Vec<String>,
    pub(crate) comment: Option<String>,
    pub(crate) created: i64,
}

impl NetworkPolicy {
    /// Blocked lists win; an empty allowed list allows nobody but in a policy that only blocks.
    pub(crate) fn admits(&self, address: IpAddr, rules: &dyn Fn(&str) -> Option<NetworkRule>) -> bool {
        let in_rules = |names: &[String]| {
            names
                .iter()
                .filter_map(|name| rules(name))
                .filter(|rule| rule.kind == "IPV4" && rule.mode == "INGRESS")
                .any(|rule| rule.values.iter().any(|range| contains(range, address)))
        };
        let in_list = |list: &[String]| list.iter().any(|range| contains(range, address));
        if in_rules(&self.blocked_rules) || in_list(&self.blocked_addresses) {
            return false;
        }
        let open = self.allowed_rules.is_empty() && self.allowed_addresses.is_empty();
        open || in_rules(&self.allowed_rules) || in_list(&self.allowed_addresses)
    }
}

/// Whether this is an IPv4 address or range, which is all that such lists take.
pub(crate) fn is_range(text: &str) -> bool {
    parse(text).is_some()
}

fn contains(range: &str, address: IpAddr) -> bool {
    let IpAddr::V4(address) = address else { return false };
    let Some((network, bits)) = parse(range) else { return false };
    let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
    address.to_bits() & mask == network & mask
}

fn parse(range: &str) -> Option<(u32, u32)> {
    let (network, bits) = match range.split_once('/') {
        Some((network, bits)) => (network, bits.parse().ok().filter(|bits| *bits <= 32)?),
        None => (range, 32),
    };
    let network: std::net::Ipv4Addr = network.trim().parse().ok()?;
    Some((network.to_bits(), bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_their_addresses() {
        for (range, address, inside) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("203.0.113.9", "203.0.113.9", true),
            ("203.0.113.9", "203.0.113.8", false),
            ("203.0.113.0/33", "203.0.113.1", false),
        ] {
            assert_eq!(contains(range, address.parse().unwrap()), inside, "{range} {address}");
        }
    }
}
