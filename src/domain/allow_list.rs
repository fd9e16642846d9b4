//! The addresses that may reach an instance.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::{Error, Result};

/// A range of addresses with one spelling: no bits after the prefix, and IPv4 inside IPv6 is IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    network: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// Makes the range of the addresses that share their first `prefix` bits with `address`; `None`
    /// when there aren't so many.
    fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        Some(match address {
            IpAddr::V4(address) => {
                let kept = u32::MAX
                    .checked_shl(32_u32.checked_sub(prefix.into())?)
                    .unwrap_or(0);
                Self {
                    network: Ipv4Addr::from_bits(address.to_bits() & kept).into(),
                    prefix,
                }
            }
            IpAddr::V6(address) => {
                if let (Some(mapped), Some(prefix)) =
                    (address.to_ipv4_mapped(), prefix.checked_sub(96))
                {
                    return Self::new(mapped.into(), prefix);
                }
                let kept = u128::MAX
                    .checked_shl(128_u32.checked_sub(prefix.into())?)
                    .unwrap_or(0);
                Self {
                    network: Ipv6Addr::from_bits(address.to_bits() & kept).into(),
                    prefix,
                }
            }
        })
    }

    /// Tells whether an address is in the range; an IPv4 address in IPv6 form is an IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.network.is_ipv4()
            && Self::new(address, self.prefix).is_some_and(|range| range.network == self.network)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

impl FromStr for Cidr {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = || {
            let (address, prefix) = match text.split_once('/') {
                Some((address, prefix)) => (address, Some(prefix)),
                None => (text, None),
            };
            let address: IpAddr = address.parse().ok()?;
            let prefix = match prefix {
                // Signs and leading zeros would give one range several spellings.
                Some(prefix)
                    if prefix.bytes().all(|byte| byte.is_ascii_digit())
                        && (prefix == "0" || !prefix.starts_with('0')) =>
                {
                    prefix.parse().ok()?
                }
                Some(_) => return None,
                None if address.is_ipv4() => 32,
                None => 128,
            };
            Self::new(address, prefix)
        };
        parsed().ok_or_else(|| {
            Error::invalid_parameter(
                "cidr",
                "a range is written like 192.0.2.0/24, and an address like 192.0.2.1",
            )
        })
    }
}

/// One entry of an allow list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowEntry {
    /// The range, unique in the list.
    pub cidr: Cidr,
    /// The range as it was written, which is how it is shown.
    pub written: String,
    /// The owner's description of it.
    pub comment: String,
}

/// The addresses that may reach an instance, in the order in which they were added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList {
    /// Raised by every change: places in the list mean something in one version only.
    pub version: i64,
    /// The entries; a place in this list is what Tencent calls `PolicyIndex`.
    pub entries: Vec<AllowEntry>,
}

impl AllowList {
    /// Tells whether an address is in any entry: in an empty list none is.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.cidr.contains(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_range_has_one_spelling() {
        let cases = [
            ("3.3.3.3", "3.3.3.3/32"),
            ("192.168.0.77/24", "192.168.0.0/24"),
            ("255.255.255.255/0", "0.0.0.0/0"),
            ("2001:DB8:0::1", "2001:db8::1/128"),
            ("2001:db8::1/32", "2001:db8::/32"),
            ("ffff::/0", "::/0"),
            ("::ffff:192.0.2.9/120", "192.0.2.0/24"),
            ("::ffff:192.0.2.9", "192.0.2.9/32"),
        ];
        for (text, expected) in cases {
            assert_eq!(cidr(text).to_string(), expected);
            assert_eq!(cidr(expected), cidr(text));
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        let bad = [
            "",
            "/",
            "1.2.3",
            "1.2.3.4/",
            "1.2.3.4/33",
            "1.2.3.4/-1",
            "1.2.3.4/+8",
            "1.2.3.4/08",
            "01.2.3.4",
            "::1/129",
            "::1/256",
        ];
        for bad in bad.into_iter().chain([
            "1.2.3.4/24/8",
            " 1.2.3.4",
            "1.2.3.4 ",
            "[::1]",
            "example.com",
            "1.2.3.4/255.0.0.0",
            "１.2.3.4",
        ]) {
            assert!(
                bad.parse::<Cidr>().is_err(),
                "{bad:?} was taken for a range"
            );
        }
    }

    #[test]
    fn a_list_contains_what_any_entry_contains() {
        let entry = |text: &str| AllowEntry {
            cidr: cidr(text),
            written: text.to_owned(),
            comment: String::new(),
        };
        let list = AllowList {
            version: 1,
            entries: vec![
                entry("192.0.2.0/25"),
                entry("2001:db8::/64"),
                entry("198.51.100.7"),
            ],
        };
        for inside in [
            "192.0.2.0",
            "192.0.2.127",
            "::ffff:192.0.2.5",
            "2001:db8::ffff",
            "198.51.100.7",
        ] {
            assert!(list.contains(inside.parse().unwrap()), "{inside}");
        }
        for outside in [
            "192.0.2.128",
            "192.0.1.255",
            "2001:db8:0:1::",
            "198.51.100.8",
            "::c000:205",
        ] {
            assert!(!list.contains(outside.parse().unwrap()), "{outside}");
        }
        assert!(!AllowList::default().contains("192.0.2.1".parse().unwrap()));
        assert!(
            cidr("0.0.0.0/0").contains("::ffff:8.8.8.8".parse().unwrap())
                && !cidr("::/0").contains("8.8.8.8".parse().unwrap())
        );
    }
}
