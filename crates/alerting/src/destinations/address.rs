//! Which addresses a destination may have.
//!
//! A webhook's URL is written by people who need not own the machine, so it must not become a way to reach the machine's
//! own network: names are resolved once and only allowed addresses are connected to, whatever form the URL gives them in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// May this address be connected to?
pub(super) fn check(address: IpAddr, allow_private: bool) -> Result<(), String> {
    let address = embedded_v4(address);
    let reach = match address {
        IpAddr::V4(v4) => reach_v4(v4),
        IpAddr::V6(v6) => reach_v6(v6),
    };
    match reach {
        Reach::Public => Ok(()),
        Reach::Private if allow_private => Ok(()),
        Reach::Private => Err(format!("{address} is a private address; set `allow_private = true` if that is meant")),
        Reach::Never => {
            Err(format!("{address} is a link-local, metadata or reserved address, which no destination may have"))
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Reach {
    Public,
    Private,
    Never,
}

/// Addresses at which clouds give credentials to whoever asks, outside of link-local ranges.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

fn reach_v4(address: Ipv4Addr) -> Reach {
    let [a, b, c, _] = address.octets();
    let never =
        a == 0 || a >= 224 || address.is_link_local() || METADATA_V4.contains(&address) || (a, b, c) == (192, 0, 0);
    let shared = a == 100 && (64..128).contains(&b);
    let benchmark = a == 198 && (b == 18 || b == 19);
    if never {
        Reach::Never
    } else if address.is_loopback() || address.is_private() || shared || benchmark {
        Reach::Private
    } else {
        Reach::Public
    }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    let never = address.is_unspecified()
        || address.is_multicast()
        || address.is_unicast_link_local()
        || address.segments()[0] & 0xffc0 == 0xfec0
        || address == METADATA_V6;
    if never {
        Reach::Never
    } else if address.is_loopback() || address.is_unique_local() {
        Reach::Private
    } else {
        Reach::Public
    }
}

/// The IPv4 address inside an IPv6 one that a gateway or the kernel would turn it into: mapped, compatible, NAT64, 6to4.
fn embedded_v4(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let v4 = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0xffff) | (0, 0, 0, 0, 0xffff, 0) | (0x64, 0xff9b, 0, 0, 0, 0) => v4(g, h),
        (0, 0, 0, 0, 0, 0) if g != 0 => v4(g, h),
        (0x2002, high, low, ..) => v4(high, low),
        _ => address,
    }
}

/// The system's resolver, its answers checked. A name with any forbidden address is refused as a whole: such a name is
/// either a mistake or an attempt to be connected to by luck.
pub(super) struct CheckedResolver {
    pub(super) allow_private: bool,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            for address in &found {
                check(address.ip(), allow_private)?;
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_forbidden_addresses() {
        // (as a URL's host would be, public, with allow_private)
        let table = [
            ("1.1.1.1", true, true),
            ("2606:4700:4700::1111", true, true),
            ("127.0.0.1", false, true),
            ("127.8.8.8", false, true),
            ("10.1.2.3", false, true),
            ("172.31.255.255", false, true),
            ("172.32.0.1", true, true),
            ("192.168.1.1", false, true),
            ("100.64.0.1", false, true),
            ("::1", false, true),
            ("fd12:3456::1", false, true),
            ("::ffff:127.0.0.1", false, true),
            ("64:ff9b::a00:1", false, true),
            ("2002:a00:1::", false, true),
            ("169.254.169.254", false, false),
            ("169.254.170.2", false, false),
            ("::ffff:169.254.169.254", false, false),
            ("::169.254.169.254", false, false),
            ("64:ff9b::a9fe:a9fe", false, false),
            ("2002:a9fe:a9fe::", false, false),
            ("fe80::1", false, false),
            ("fec0::1", false, false),
            ("fd00:ec2::254", false, false),
            ("100.100.100.200", false, false),
            ("168.63.129.16", false, false),
            ("192.0.0.192", false, false),
            ("0.0.0.0", false, false),
            ("0.1.2.3", false, false),
            ("::", false, false),
            ("224.0.0.1", false, false),
            ("255.255.255.255", false, false),
            ("ff02::1", false, false),
        ];
        for (address, public, private) in table {
            let ip: IpAddr = address.parse().unwrap();
            assert_eq!(check(ip, false).is_ok(), public, "{address}");
            assert_eq!(check(ip, true).is_ok(), private, "{address} with allow_private");
        }
    }
}
