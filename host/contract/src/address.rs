//! Addresses that are no server's on the Internet.
//!
//! Who chooses a name also chooses what it stands for. Without these rules a name could
//! stand for this machine, for a machine of the network that it is in, or for the service
//! at 169.254.169.254 that tells a machine in a cloud its secrets.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is for, if it is not for a server on the Internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reserved {
    /// This machine: `127.0.0.0/8`, `::1`.
    Loopback,
    /// A network of one's own, as `10.0.0.0/8` or `fc00::/7`.
    Private,
    /// Between a provider and its customers: `100.64.0.0/10`.
    Shared,
    /// One cable, or one radio network: `169.254.0.0/16`, `fe80::/10`.
    LinkLocal,
    /// No machine: `0.0.0.0/8`, `::`.
    Unspecified,
    /// Several machines at once.
    Multicast,
    /// Documentation, tests, protocols, and what nobody uses yet.
    Special,
    /// A cloud's own service, which tells a machine its secrets.
    Cloud,
}

impl Reserved {
    /// What an address is for. None if it is one on the Internet.
    ///
    /// An IPv4 address that is written in IPv6 is taken for itself, whichever of the
    /// standard ways it is written in. The ways that a network may have of its own (a
    /// NAT64 prefix out of its own addresses) are not known here.
    pub fn of(address: IpAddr) -> Option<Reserved> {
        let address = translated(address);
        if CLOUD.contains(&address) {
            return Some(Reserved::Cloud);
        }
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }
}

impl fmt::Display for Reserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reserved::Loopback => "this machine",
            Reserved::Private => "an address of a private network",
            Reserved::Shared => "an address of a provider's own network",
            Reserved::LinkLocal => "a link-local address",
            Reserved::Unspecified => "an unspecified address",
            Reserved::Multicast => "a multicast or broadcast address",
            Reserved::Special => "an address that is not for servers",
            Reserved::Cloud => "a cloud's own service",
        })
    }
}

/// Where clouds have services that tell a machine its secrets. Not all of them are at
/// link-local addresses.
const CLOUD: [IpAddr; 5] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
];

/// The IPv4 address that an IPv6 address stands for: mapped, compatible, translated by
/// NAT64, or 6to4.
fn translated(address: IpAddr) -> IpAddr {
    let IpAddr::V6(found) = address else {
        return address;
    };
    let v4 = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match found.segments() {
        // `::` and `::1` are not IPv4 addresses.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => address,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => v4(high, low),
        _ => address,
    }
}

fn of_v4(address: Ipv4Addr) -> Option<Reserved> {
    Some(match address.octets() {
        [0, ..] => Reserved::Unspecified,
        [127, ..] => Reserved::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Reserved::Private,
        [100, 64..=127, ..] => Reserved::Shared,
        [169, 254, ..] => Reserved::LinkLocal,
        [224..=239, ..] | [255, 255, 255, 255] => Reserved::Multicast,
        [192, 0, 0 | 2, _] | [198, 18 | 19, ..] | [198, 51, 100, _] | [203, 0, 113, _] => {
            Reserved::Special
        }
        [240..=255, ..] => Reserved::Special,
        _ => return None,
    })
}

fn of_v6(address: Ipv6Addr) -> Option<Reserved> {
    Some(match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Reserved::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Reserved::Loopback,
        // Unique-local, the older site-local, and NAT64 into a network of one's own.
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] | [0x64, 0xff9b, 1, ..] => Reserved::Private,
        [0xfe80..=0xfebf, ..] => Reserved::LinkLocal,
        [0xff00..=0xffff, ..] => Reserved::Multicast,
        // All servers are in 2000::/3. A tunnel (Teredo) is none, nor is documentation.
        [0x2001, 0, ..] | [0x2001, 0xdb8, ..] => Reserved::Special,
        [0x2000..=0x3fff, ..] => return None,
        _ => Reserved::Special,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_on_the_internet_is_known() {
        use Reserved::{
            Cloud, LinkLocal, Loopback, Multicast, Private, Shared, Special, Unspecified,
        };
        for (address, reserved) in [
            ("127.0.0.1", Loopback),
            ("127.9.9.9", Loopback),
            ("::1", Loopback),
            ("::ffff:127.0.0.1", Loopback),
            ("10.0.0.1", Private),
            ("172.16.0.1", Private),
            ("172.31.255.255", Private),
            ("192.168.1.1", Private),
            ("fd12::1", Private),
            ("fec0::1", Private),
            ("::ffff:10.0.0.1", Private),
            ("::10.0.0.1", Private),
            ("::ffff:0:10.0.0.1", Private),
            ("64:ff9b::10.0.0.1", Private),
            ("64:ff9b:1::8.8.8.8", Private),
            ("2002:a00:1::", Private),
            ("100.64.0.1", Shared),
            ("100.127.255.255", Shared),
            ("169.254.0.1", LinkLocal),
            ("fe80::1", LinkLocal),
            ("0.0.0.0", Unspecified),
            ("0.1.2.3", Unspecified),
            ("::", Unspecified),
            ("224.0.0.1", Multicast),
            ("255.255.255.255", Multicast),
            ("ff02::1", Multicast),
            ("192.0.0.1", Special),
            ("198.18.0.1", Special),
            ("240.0.0.1", Special),
            ("2001::1", Special),
            ("2001:db8::1", Special),
            ("4000::1", Special),
            ("169.254.169.254", Cloud),
            ("::ffff:169.254.169.254", Cloud),
            ("64:ff9b::169.254.169.254", Cloud),
            ("fd00:ec2::254", Cloud),
            ("168.63.129.16", Cloud),
            ("100.100.100.200", Cloud),
            ("192.0.0.192", Cloud),
        ] {
            let found = Reserved::of(address.parse().unwrap());
            assert_eq!(found, Some(reserved), "{address}");
        }
    }

    #[test]
    fn servers_are_on_the_internet() {
        for address in [
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.167.1.1",
            "2606:4700::1",
            "2001:4860:4860::8888",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::",
        ] {
            assert_eq!(Reserved::of(address.parse().unwrap()), None, "{address}");
        }
    }
}
