//! An address to listen at, or a port alone.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

use crate::domain::{Error, Result};

/// Where to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// At this port on loopback.
    Port(u16),
    /// At this address.
    Address(SocketAddr),
}

impl Listen {
    /// How it is written.
    pub(super) const ALLOWED: &str =
        "a port on loopback such as 8480, or an address such as 0.0.0.0:8480 or [::1]:8480";

    /// Returns the address.
    pub fn address(self) -> SocketAddr {
        match self {
            Self::Port(port) => SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            Self::Address(address) => address,
        }
    }
}

impl FromStr for Listen {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let port = text.parse().map(Self::Port);
        port.or_else(|_| text.parse().map(Self::Address))
            .map_err(|_| Error::invalid_parameter("listen", format!("it is {}", Self::ALLOWED)))
    }
}

impl<'de> Deserialize<'de> for Listen {
    /// Reads a number, or text.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Listen;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(Listen::ALLOWED)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Listen, E> {
                u16::try_from(number)
                    .map(Listen::Port)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Listen, E> {
                text.parse()
                    .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}
