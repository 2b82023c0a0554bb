//! Addresses of clients, trusted proxies, and the reading of `X-Forwarded-For`.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv6Net};
use serde::Deserialize;

/// A range of addresses: `10.0.0.0/8`, `fd00::/8`, or one address.
///
/// IPv4 is kept as IPv6 (`::ffff:…`), so that an address is in the range in either notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Network(Ipv6Net);

/// The text is no range of addresses.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an address nor a range like 10.0.0.0/8 or fd00::/8")]
pub struct NotANetwork(String);

impl Network {
    /// Whether `address` lies within.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&mapped(address))
    }
}

/// Bits of the address behind the prefix length have no effect.
impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Network, NotANetwork> {
        let range = text.trim();
        let range = match range.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address),
            Err(_) => range.parse().map_err(|_| NotANetwork(text.into()))?,
        };
        let bits_before = if range.addr().is_ipv4() { 96 } else { 0 };
        Ipv6Net::new(mapped(range.addr()), bits_before + range.prefix_len())
            .map(Network)
            .map_err(|_| NotANetwork(text.into()))
    }
}

impl TryFrom<String> for Network {
    type Error = NotANetwork;

    fn try_from(text: String) -> Result<Network, NotANetwork> {
        text.parse()
    }
}

/// The client's address: `peer`, or behind proxies the last address that they did not make up.
///
/// Each proxy appends its own peer to `X-Forwarded-For`. So the header is read from its
/// end, over all its lines, as long as the address read so far is one of `proxies`; what stands
/// further left is whatever the client wrote. Something that is no address ends the reading too:
/// then the proxy that reported it stands for all it reports so.
pub(super) fn client<'a>(
    peer: IpAddr,
    forwarded_for: impl Iterator<Item = &'a [u8]>,
    proxies: &[Network],
) -> IpAddr {
    let trusted = |address: IpAddr| proxies.iter().any(|proxy| proxy.contains(address));
    let peer = peer.to_canonical();
    if !trusted(peer) {
        return peer;
    }
    let lines: Vec<&[u8]> = forwarded_for.collect();
    let reported = lines
        .into_iter()
        .rev()
        .flat_map(|line| line.rsplit(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        // An empty element of a list is none.
        .filter(|text| !text.is_empty());
    let mut client = peer;
    for text in reported {
        let Some(address) = address(text) else { break };
        client = address;
        if !trusted(client) {
            break;
        }
    }
    client
}

/// The bucket of an address: an IPv4 address has one of its own, an IPv6 network of 64 bits one for
/// all that it can make up.
pub(super) fn bucket(address: IpAddr) -> u128 {
    const NETWORK: u128 = !0 << 64;
    match address.to_canonical() {
        IpAddr::V4(_) => mapped(address).to_bits(),
        IpAddr::V6(_) => mapped(address).to_bits() & NETWORK,
    }
}

/// An address as proxies write it: alone, in brackets, or followed by a port.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let alone = || text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let in_brackets = || {
        let inner = text.strip_prefix('[')?.strip_suffix(']')?;
        inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
    };
    alone()
        .or_else(with_port)
        .or_else(in_brackets)
        .map(|address| address.to_canonical())
}

/// An IPv4 address as `::ffff:…`.
fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn networks(list: &[&str]) -> Vec<Network> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// The client that lines of `X-Forwarded-For` name behind a peer within 10.0.0.0/8, where
    /// fd00::/8 is trusted too.
    fn behind_proxies(lines: &[&str]) -> String {
        let lines = lines.iter().map(|line| line.as_bytes());
        client(ip("10.0.0.1"), lines, &networks(&["10.0.0.0/8", "fd00::/8"])).to_string()
    }

    #[test]
    fn the_rightmost_untrusted_address_is_the_client() {
        for (lines, expected) in [
            (&[][..], "10.0.0.1"),
            (&["203.0.113.7"], "203.0.113.7"),
            (&["198.51.100.9, 203.0.113.7"], "203.0.113.7"),
            (&["198.51.100.9, 203.0.113.7, 10.9.9.9"], "203.0.113.7"),
            (
                &["198.51.100.9", "203.0.113.7", "fd00::1,10.9.9.9"],
                "203.0.113.7",
            ),
            (&["203.0.113.7, 10.2.2.2", "10.9.9.9"], "203.0.113.7"),
            // Proxies alone: the farthest.
            (&["10.3.3.3, 10.2.2.2"], "10.3.3.3"),
        ] {
            assert_eq!(behind_proxies(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn addresses_are_taken_as_proxies_write_them() {
        for (line, expected) in [
            (" \t203.0.113.7\t ", "203.0.113.7"),
            ("198.51.100.9,203.0.113.7", "203.0.113.7"),
            ("203.0.113.7:61234", "203.0.113.7"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("2001:DB8:0::0001", "2001:db8::1"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("[::ffff:203.0.113.7]:80", "203.0.113.7"),
            ("203.0.113.7, ::ffff:10.1.1.1", "203.0.113.7"),
            ("203.0.113.7, , 10.1.1.1,", "203.0.113.7"),
        ] {
            assert_eq!(behind_proxies(&[line]), expected, "{line:?}");
        }
    }

    #[test]
    fn what_is_no_address_stands_for_the_proxy_that_reported_it() {
        for garbage in [
            "unknown",
            "_hidden",
            "203.0.113",
            "203.0.113.256",
            "203.0.113.007",
            "203.0.113.7:99999",
            "203.0.113.7:",
            "203.0.113.7 198.51.100.9",
            "203.0.113.7;198.51.100.9",
            "[203.0.113.7]",
            "[2001:db8::1",
            "2001:db8::1]",
            "[2001:db8::1]443",
            "2001:db8::1%eth0",
            "2001:db8:::1",
            "\"203.0.113.7\"",
            "for=203.0.113.7",
            "shop.example",
            "-1",
            "0x7f.1",
            "\u{661}.1.1.1",
        ] {
            assert_eq!(behind_proxies(&[garbage]), "10.0.0.1", "{garbage:?}");
            let further = format!("203.0.113.7, {garbage}, 10.5.5.5");
            assert_eq!(behind_proxies(&[&further]), "10.5.5.5", "{garbage:?}");
            // The client's own garbage is further left than what its proxy says of it.
            let forged = format!("{garbage}, 203.0.113.7");
            assert_eq!(behind_proxies(&[&forged]), "203.0.113.7", "{garbage:?}");
        }
    }

    #[test]
    fn a_range_holds_what_its_prefix_says_in_either_writing() {
        for (range, inside, outside) in [
            (
                "10.0.0.0/8",
                &["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"][..],
                &["11.0.0.0", "9.255.255.255", "::10.0.0.1"][..],
            ),
            ("10.1.2.3/8", &["10.200.0.1"], &["11.1.2.3"]),
            ("192.0.2.1", &["192.0.2.1"], &["192.0.2.2", "192.0.2.0"]),
            ("192.0.2.1/32", &["192.0.2.1"], &["192.0.2.0"]),
            (
                "0.0.0.0/0",
                &["0.0.0.0", "255.255.255.255"],
                &["::1", "2001:db8::1"],
            ),
            ("::ffff:10.0.0.0/104", &["10.1.2.3"], &["11.0.0.1"]),
            ("fd00::/8", &["fd00::", "fdff:ffff::1"], &["fe00::", "10.0.0.1"]),
            ("2001:db8::/33", &["2001:db8:7fff::1"], &["2001:db8:8000::"]),
            ("::1", &["::1"], &["::2", "127.0.0.1"]),
            ("::/0", &["::", "ffff::1", "10.0.0.1"], &[]),
            (" 127.0.0.0/8 ", &["127.9.9.9"], &["128.0.0.1"]),
        ] {
            let network: Network = range.parse().unwrap();
            for address in inside {
                assert!(network.contains(ip(address)), "{range} {address}");
            }
            for address in outside {
                assert!(!network.contains(ip(address)), "{range} {address}");
            }
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "",
            "/",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/8/8",
            "10.0.0/8",
            "10.*",
            "::/129",
            "fd00::/",
            "[::1]",
            "::1/0x8",
            "10.0.0.0/255.0.0.0",
            "10.0.0.0/99999999999",
            "localhost",
            "*",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text:?}");
        }
    }

    fn tokens() -> impl Strategy<Value = String> {
        let pieces = prop_oneof![
            any::<std::net::Ipv4Addr>().prop_map(|address| address.to_string()),
            any::<Ipv6Addr>().prop_map(|address| address.to_string()),
            any::<SocketAddr>().prop_map(|address| address.to_string()),
            Just("10.1.2.3".to_owned()),
            Just("unknown".to_owned()),
            "[ -~]{0,20}",
        ];
        prop::collection::vec(pieces, 0..6).prop_map(|pieces| pieces.join(","))
    }

    proptest! {
        #[test]
        fn fuzz_any_header_names_a_client(
            lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 0..4),
            peer in any::<IpAddr>(),
        ) {
            client(peer, lines.iter().map(Vec::as_slice), &networks(&["0.0.0.0/0", "::/0"]));
        }

        #[test]
        fn fuzz_any_text_is_a_range_or_an_error(text in "[0-9a-f:./]{0,24}|\\PC{0,24}") {
            let _ = text.parse::<Network>();
        }

        #[test]
        fn fuzz_an_untrusted_peer_cannot_name_another(peer in any::<IpAddr>(), line in tokens()) {
            prop_assume!(!networks(&["10.0.0.0/8"])[0].contains(peer));
            let told = client(peer, [line.as_bytes()].into_iter(), &networks(&["10.0.0.0/8"]));
            prop_assert_eq!(told, peer.to_canonical());
        }

        /// What a client sends stands left of what the proxy appends.
        #[test]
        fn fuzz_nothing_that_the_client_sends_changes_who_it_is(
            sent in prop::collection::vec(tokens(), 0..3),
            real in any::<IpAddr>(),
            own_line in any::<bool>(),
        ) {
            prop_assume!(!networks(&["10.0.0.0/8", "fd00::/8"]).iter().any(|network| network.contains(real)));
            let mut lines = sent;
            match lines.pop() {
                Some(last) if !own_line => lines.push(format!("{last}, {real}")),
                last => lines.extend(last.into_iter().chain([real.to_string()])),
            }
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            prop_assert_eq!(behind_proxies(&lines), real.to_canonical().to_string());
        }
    }
}
