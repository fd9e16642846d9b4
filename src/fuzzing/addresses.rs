//! Addresses of databases, of other servers and of this one.

use std::time::Duration;

use tokio_postgres::config::Config;

use crate::config::{DatabaseUrl, Listen};
use crate::domain::secret::Secret;
use crate::domain::url::HttpUrl;
use crate::shared::{self, Shared};

pub(super) const DATABASES: &[&str] = &[
    "postgres://transire:hunter2hunter2@db1.example.com,db2:5433/transire?sslmode=require",
    "postgresql://user@[2001:db8::1]:5432/name?password=hunter2hunter2&application_name=x",
    "postgres://u%40:hunter2hunter2%2F@%2Frun%2Fpostgresql/name",
    "postgres:///name?host=/run/postgresql&user=u&password=hunter2hunter2",
    "host=db user=u password=hunter2hunter2 dbname=name",
];
pub(super) const WORDS: &[&str] = &[
    "postgres://",
    "postgresql://",
    "redis://",
    "rediss://",
    "http://",
    "https://",
    "hunter2hunter2",
    "@",
    ":",
    "/",
    "?",
    "#",
    "&password=",
    "password=",
    "p%61ssword=",
    "%40",
    "%2F",
    "[::1]",
    ",",
    ":6379",
    "/0",
    "unix:",
    "127.0.0.1",
    "localhost",
];

/// A password that is looked for in what is shown of an address.
const PASSWORD: &str = "hunter2hunter2";

/// Reads a database's address: a password that the driver would send is neither shown nor taken as
/// an argument.
pub(super) fn check_database(input: &[u8]) -> Option<()> {
    let text = std::str::from_utf8(input).ok()?;
    let password = text.parse::<Config>().ok().and_then(|config| {
        let password = config.get_password().map(<[u8]>::to_vec);
        // Elsewhere in the address it is no password.
        let is_once = text.matches(PASSWORD).count() == 1;
        password.filter(|password| is_once && password.starts_with(PASSWORD.as_bytes()))
    });
    if let Ok(url) = DatabaseUrl::from_secret_text(text) {
        assert_eq!(url.expose(), text);
        assert_eq!(format!("{url:?}"), "[database url]");
        let shown = url.without_password();
        assert!(
            password.is_none() || !shown.contains(PASSWORD),
            "{shown} is shown of {text}"
        );
        assert!(shown.len() <= text.len() + 8, "{shown}");
    }
    let is_argument = DatabaseUrl::from_argument(text).is_ok();
    assert!(
        password.is_none() || !is_argument,
        "{text} is taken as an argument"
    );
    Some(())
}

pub(super) const SERVERS: &[&str] = &[
    "redis://:hunter2hunter2@127.0.0.1:6379/0",
    "rediss://user:hunter2hunter2@redis.example.com:6380/1?protocol=resp3",
    "redis+unix:///run/redis.sock?db=1&pass=hunter2hunter2",
    "https://registry.example.com:443/v2",
    "http://[2001:db8::1]:8480/a%20b/",
    "http://127.1/",
    "http://127.0.0.1./",
    "http://127.0.0.0x1/",
    "127.0.0.1:8480",
    "8480",
];

/// Reads the address of a server: Redis, what operators name by HTTP, and what this service listens
/// at.
pub(super) fn check_server(input: &[u8]) -> Option<()> {
    let text = std::str::from_utf8(input).ok()?;
    let settings = shared::Settings {
        url: Secret::new(text),
        ca_file: None,
        timeout: Duration::from_secs(1),
    };
    if let Err(error) = Shared::new(&settings, b"deployment") {
        let told = format!("{error} {error:?}");
        assert!(!told.contains(PASSWORD), "{told} tells the password");
    }
    for read in [HttpUrl::parse, HttpUrl::parse_place, HttpUrl::parse_base] {
        let Ok(url) = read(text) else {
            continue;
        };
        let again = format!("{}://{}:{}{}", url.scheme, url.host, url.port, url.path);
        let is_short = text.len() < 900;
        assert!(
            !is_short || HttpUrl::parse(&again) == Ok(url),
            "{again} is read otherwise"
        );
        // Others read the same there.
        let Ok(other) = url::Url::parse(text) else {
            // Of names that look international it takes fewer.
            assert!(url.host.contains("xn--"), "{text} is no URL for others");
            continue;
        };
        let host = other.host_str().unwrap_or_default();
        let is_address = url.host.starts_with('[');
        assert!(
            is_address || host == url.host.to_ascii_lowercase(),
            "{host} is read by others"
        );
        assert_eq!(other.port_or_known_default(), Some(url.port), "{text}");
        let is_loopback = match other.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.to_canonical().is_loopback(),
            Some(url::Host::Domain(name)) => name.trim_end_matches('.') == "localhost",
            None => false,
        };
        assert!(
            url.is_loopback() || !is_loopback,
            "{text} is another machine's"
        );
    }
    if let Ok(listen) = text.parse::<Listen>() {
        let again = match &listen {
            Listen::Port(port) => port.to_string(),
            Listen::Address(address) => address.to_string(),
        };
        assert_eq!(
            again.parse::<Listen>().ok(),
            Some(listen),
            "{again} is read otherwise"
        );
    }
    Some(())
}
