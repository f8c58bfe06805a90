//! Addresses and networks, by the rules of Python's `ipaddress`, which other detections use.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A range of addresses of one family: the first address and the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    first: u128,
    last: u128,
    is_v6: bool,
}

impl Network {
    /// `10.0.0.0/8`, `10.1.2.3` (one address), host bits allowed.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().ok()?;
        let (bits, number, is_v6) = match address {
            IpAddr::V4(address) => (32_u32, u128::from(u32::from(address)), false),
            IpAddr::V6(address) => (128, u128::from(address), true),
        };
        let prefix = match prefix {
            None => bits,
            Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().ok().filter(|&prefix| prefix <= bits)?
            }
            // Python also takes a netmask.
            Some(mask) => mask_bits(mask).filter(|_| !is_v6)?,
        };
        let host_bits = bits - prefix;
        let host = if host_bits == 128 { u128::MAX } else { (1_u128 << host_bits) - 1 };
        Some(Self { first: number & !host, last: number | host, is_v6 })
    }

    /// Whether the two have an address in common.
    pub(super) const fn overlaps(self, other: Self) -> bool {
        self.is_v6 == other.is_v6 && self.first <= other.last && other.first <= self.last
    }

    const fn within(self, other: Self) -> bool {
        self.is_v6 == other.is_v6 && other.first <= self.first && self.last <= other.last
    }
}

fn mask_bits(mask: &str) -> Option<u32> {
    let mask = u32::from(mask.trim().parse::<Ipv4Addr>().ok()?);
    let ones = mask.leading_ones();
    (mask.checked_shl(ones).unwrap_or(0) == 0).then_some(ones)
}

/// Not routed on the internet: IANA's special-purpose registries.
const PRIVATE_V4: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "240.0.0.0/4",
    "255.255.255.255/32",
];
/// Inside the private ranges, and routed nevertheless.
const PUBLIC_V4: &[&str] = &["192.0.0.9/32", "192.0.0.10/32"];
/// Neither private nor public: shared by carriers.
const SHARED_V4: &str = "100.64.0.0/10";
const PRIVATE_V6: &[&str] = &[
    "::1/128",
    "::/128",
    "::ffff:0:0/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "fc00::/7",
    "fe80::/10",
];
const PUBLIC_V6: &[&str] =
    &["2001:1::1/128", "2001:1::2/128", "2001:3::/32", "2001:4:112::/48", "2001:20::/28", "2001:30::/28"];

pub(super) fn is_private(address: IpAddr) -> bool {
    let address = unmapped(address);
    let (private, public) = if address.is_ipv6() { (PRIVATE_V6, PUBLIC_V6) } else { (PRIVATE_V4, PUBLIC_V4) };
    is_in(address, private) && !is_in(address, public)
}

pub(super) fn is_public(address: IpAddr) -> bool {
    let address = unmapped(address);
    !is_private(address) && !is_in(address, &[SHARED_V4])
}

fn unmapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) => mapped(address).map_or(IpAddr::V6(address), IpAddr::V4),
        v4 => v4,
    }
}

const fn mapped(address: Ipv6Addr) -> Option<Ipv4Addr> {
    address.to_ipv4_mapped()
}

fn is_in(address: IpAddr, networks: &[&str]) -> bool {
    let single = Network::parse(&address.to_string());
    networks.iter().filter_map(|text| Network::parse(text)).any(|network| single.is_some_and(|one| one.within(network)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        for (a, b, expected) in [
            ("10.1.2.3", "10.0.0.0/8", true),
            ("11.1.2.3", "10.0.0.0/8", false),
            ("10.0.0.0/7", "11.2.0.0/16", true),
            ("10.1.2.3/8", "10.255.0.1", true),
            ("10.0.0.0/255.0.0.0", "10.9.9.9", true),
            ("::1", "::/0", true),
            ("10.0.0.1", "::/0", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("2001:db8::1", "2001:db8::/32", true),
        ] {
            assert_eq!(Network::parse(a).unwrap().overlaps(Network::parse(b).unwrap()), expected, "{a} {b}");
        }
        for text in ["", "10.0.0", "10.0.0.0/33", "::/129", "10.0.0.0/255.0.255.0", "x", "10.0.0.0/-1"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }

    #[test]
    fn kinds() {
        for (address, private, public) in [
            ("10.1.2.3", true, false),
            ("8.8.8.8", false, true),
            ("100.64.1.1", false, false),
            ("127.0.0.1", true, false),
            ("203.0.113.7", true, false),
            ("192.0.0.9", false, true),
            ("fe80::1", true, false),
            ("2606:4700::1111", false, true),
            ("::ffff:10.0.0.1", true, false),
            ("::ffff:8.8.8.8", false, true),
        ] {
            let address = address.parse().unwrap();
            assert_eq!((is_private(address), is_public(address)), (private, public), "{address}");
        }
    }
}
