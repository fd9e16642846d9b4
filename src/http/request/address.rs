//! The client's address: the peer's, or the one that trusted proxies tell.

use std::net::IpAddr;
use std::str::FromStr;

use http::HeaderMap;

use crate::domain::{Error, Result};

use crate::http::Transport;

/// A range of addresses, such as `10.0.0.0/8`, `fd00::/8` or `192.0.2.7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Returns whether `address` lies in the range; an IPv4-mapped IPv6 address counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let shift = 32 - u32::from(self.prefix);
                (ours.to_bits() ^ theirs.to_bits())
                    .checked_shr(shift)
                    .unwrap_or(0)
                    == 0
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                let shift = 128 - u32::from(self.prefix);
                (ours.to_bits() ^ theirs.to_bits())
                    .checked_shr(shift)
                    .unwrap_or(0)
                    == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let malformed = || {
            Error::misconfigured(format!(
                "{text:?} is not a network; write one like 10.0.0.0/8, fd00::/8 or 192.0.2.7"
            ))
        };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse().map_err(|_| malformed())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| malformed())?;
        let max_prefix = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(max_prefix);
        if prefix > max_prefix {
            return Err(malformed());
        }
        Ok(Self { address, prefix })
    }
}

/// Returns the client's address: the peer's, unless the peer is a trusted proxy. Then
/// `X-Forwarded-For`, all its lines, is walked from the right past trusted addresses: what stands
/// further left was written by the client itself.
pub(crate) fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    if !is_trusted(client) {
        return client;
    }
    let lines = headers.get_all("x-forwarded-for").iter().rev();
    for entry in lines.flat_map(|line| line.to_str().unwrap_or("unreadable").rsplit(',')) {
        // An entry that can't be read was not written by a proxy that is worth trusting.
        let Some(address) = forwarded_address(entry.trim()) else {
            break;
        };
        client = address;
        if !is_trusted(client) {
            break;
        }
    }
    client
}

/// Returns whether the client's request came by TLS: this service's own, or what a trusted proxy
/// says of its own.
pub(crate) fn came_by_tls(
    peer: IpAddr,
    transport: Transport,
    headers: &HeaderMap,
    trusted: &[Network],
) -> bool {
    let peer = peer.to_canonical();
    if trusted.iter().any(|network| network.contains(peer))
        && let Some(proto) = headers.get("x-forwarded-proto")
    {
        return proto.as_bytes().eq_ignore_ascii_case(b"https");
    }
    transport == Transport::Tls
}

/// Reads `192.0.2.7`, `192.0.2.7:1234`, `2001:db8::1`, `[2001:db8::1]` and `[2001:db8::1]:1234`.
fn forwarded_address(entry: &str) -> Option<IpAddr> {
    let bare = match entry.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None if entry.matches(':').count() == 1 => entry.split_once(':')?.0,
        None => entry,
    };
    Some(bare.parse::<IpAddr>().ok()?.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::domain::ErrorKind;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    fn client_of(peer: &str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", HeaderValue::from_str(line).unwrap());
        }
        let trusted = [network("10.0.0.0/8"), network("fd00::/8")];
        client(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn a_network_contains_its_own() {
        for (range, inside) in [
            ("10.0.0.0/8", "10.255.0.1"),
            ("192.0.2.7", "::ffff:192.0.2.7"),
            ("0.0.0.0/0", "8.8.8.8"),
            ("::/0", "2001:db8::1"),
        ] {
            assert!(
                network(range).contains(inside.parse().unwrap()),
                "{inside} is in {range}"
            );
        }
        for (range, outside) in [
            ("10.0.0.0/8", "11.0.0.1"),
            ("192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "2001:db8::1"),
        ] {
            assert!(
                !network(range).contains(outside.parse().unwrap()),
                "{outside} is not in {range}"
            );
        }
        for bad in ["", "10.0.0.0/33", "example.com", "10.0.0.0/x", "::/129"] {
            assert_eq!(
                bad.parse::<Network>().unwrap_err().kind(),
                &ErrorKind::Misconfigured,
                "{bad:?}"
            );
        }
    }

    #[test]
    fn a_stranger_can_not_choose_its_address() {
        assert_eq!(client_of("192.0.2.1", &["203.0.113.9"]), "192.0.2.1");
        assert_eq!(client_of("::ffff:192.0.2.1", &[]), "192.0.2.1");
    }

    #[test]
    fn tls_is_this_services_own_or_a_trusted_proxys() {
        let trusted = [network("10.0.0.0/8")];
        let by_tls = |peer: &str, transport, proto: Option<&'static str>| {
            let headers = proto.map(|proto| {
                (
                    http::HeaderName::from_static("x-forwarded-proto"),
                    HeaderValue::from_static(proto),
                )
            });
            came_by_tls(
                peer.parse().unwrap(),
                transport,
                &HeaderMap::from_iter(headers),
                &trusted,
            )
        };
        assert!(by_tls("192.0.2.1", Transport::Tls, None));
        assert!(
            by_tls("192.0.2.1", Transport::Tls, Some("http")),
            "a stranger's header counts for nothing"
        );
        assert!(!by_tls("192.0.2.1", Transport::Plain, Some("https")));
        assert!(by_tls("10.0.0.1", Transport::Plain, Some("HTTPS")));
        assert!(!by_tls("10.0.0.1", Transport::Plain, None));
        // The client came to the proxy without, whatever the proxy speaks here.
        assert!(!by_tls("10.0.0.1", Transport::Tls, Some("http")));
        assert!(by_tls("10.0.0.1", Transport::Tls, None));
    }

    #[test]
    fn the_header_is_walked_from_the_right_past_trusted_proxies() {
        assert_eq!(
            client_of("10.0.0.1", &["203.0.113.9, 198.51.100.2, 10.0.0.7"]),
            "198.51.100.2"
        );
        assert_eq!(
            client_of("10.0.0.1", &["203.0.113.9", "198.51.100.2:5555"]),
            "198.51.100.2"
        );
        assert_eq!(client_of("fd00::1", &["[2001:db8::5]:443"]), "2001:db8::5");
        assert_eq!(
            client_of("10.0.0.1", &["203.0.113.9, nonsense, 10.0.0.7"]),
            "10.0.0.7"
        );
        assert_eq!(client_of("10.0.0.1", &[]), "10.0.0.1");
    }
}
