//! The settings that there are, and names that look like one.

use std::net::IpAddr;

use super::declare::{Declared, Entry, Setting};
use super::settings::Settings;

/// Returns every setting, with its default.
pub(super) fn declared() -> Vec<Setting> {
    let mut settings = Vec::new();
    Settings::default().list(Entry::root(), &mut settings);
    settings
}

/// Tells whether a variable is one of those that Kubernetes gives every container for each Service
/// of its namespace, of which one may be called `transire` or `transire-…`; `name` is without
/// `TRANSIRE`.
///
/// The value has to fit too, so that a setting that is misspelt like one of them is still found.
pub(super) fn is_of_kubernetes(name: &str, value: &str) -> bool {
    const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];
    let is_port = || value.parse::<u16>().is_ok();
    let is_address = || value.parse::<IpAddr>().is_ok();
    let is_url = || {
        PROTOCOLS.iter().any(|known| {
            value
                .strip_prefix(&known.to_ascii_lowercase())
                .is_some_and(|rest| rest.starts_with("://"))
        })
    };
    if name.ends_with("_SERVICE_HOST") {
        return is_address();
    }
    if name.ends_with("_SERVICE_PORT") || name.contains("_SERVICE_PORT_") {
        return is_port();
    }
    if name.ends_with("_PORT") && is_url() {
        return true;
    }
    // …_PORT_8480_TCP, and the same with _PROTO, _PORT or _ADDR behind.
    let Some((_, port)) = name.rsplit_once("_PORT_") else {
        return false;
    };
    let mut parts = port.split('_');
    let is_numbered = parts
        .next()
        .is_some_and(|number| number.parse::<u16>().is_ok());
    let is_protocol = parts
        .next()
        .is_some_and(|protocol| PROTOCOLS.contains(&protocol));
    let fits = match parts.next() {
        None => is_url(),
        Some("PROTO") => PROTOCOLS.contains(&value.to_ascii_uppercase().as_str()),
        Some("PORT") => is_port(),
        Some("ADDR") => is_address(),
        Some(_) => false,
    };
    is_numbered && is_protocol && fits && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::kind::Kind;

    #[test]
    fn every_setting_is_of_the_kind_of_its_field() {
        let known = declared();
        let kind = |path: &str| {
            known
                .iter()
                .find(|known| known.path == path)
                .map(|known| known.kind)
        };
        for (path, expected) in [
            ("public_url", Kind::Text),
            ("database", Kind::Text),
            ("master_key", Kind::Text),
            ("shared.url", Kind::Text),
            ("listen", Kind::Listen),
            ("metrics_listen", Kind::Listen),
            ("audit", Kind::OneOf(&["best-effort", "required"])),
            ("postgres.notify", Kind::Switch),
            (
                "postgres.isolation",
                Kind::OneOf(&["read-committed", "serializable"]),
            ),
            ("limits.requests_per_second", Kind::Whole(u32::MAX.into())),
            ("limits.body_bytes", Kind::Whole(u64::MAX)),
            ("limits.actions", Kind::Figures),
            ("signatures.allow", Kind::List),
            ("quotas.namespaces.basic", Kind::Whole(u32::MAX.into())),
        ] {
            assert_eq!(kind(path), Some(expected), "{path}");
        }
        assert!(kind("limits").is_none() && known.len() > 60, "{known:?}");
    }

    #[test]
    fn every_default_is_within_the_bounds_of_its_setting() {
        for setting in declared() {
            let is_allowed = |number| setting.bounds.is_none_or(|bounds| bounds.allow(number));
            assert!(setting.number.is_none_or(is_allowed), "{setting:?}");
            assert!(
                setting.bounds.is_none() || setting.number.is_some(),
                "{setting:?} has bounds and is no number"
            );
        }
    }

    #[test]
    fn each_word_of_a_setting_is_read() {
        let mut words = 0;
        for Setting { path, kind, .. } in declared() {
            let Kind::OneOf(allowed) = kind else { continue };
            for word in allowed {
                words += 1;
                assert!(
                    Settings::parse(&format!("{path} = '{word}'"), []).is_ok(),
                    "{path} = {word}"
                );
            }
        }
        assert!(words > 5, "{words} words were read");
    }

    #[test]
    fn what_kubernetes_sets_for_a_service_is_told_by_its_shape() {
        for (name, value) in [
            ("_SERVICE_HOST", "10.96.0.1"),
            ("_SERVICE_HOST", "fd00::1"),
            ("_SERVICE_PORT", "8480"),
            ("_SERVICE_PORT_HTTP_TOKEN", "8480"),
            ("_PORT", "tcp://10.96.0.1:8480"),
            ("_PORT_8480_TCP", "tcp://10.96.0.1:8480"),
            ("_PORT_8480_TCP_PROTO", "tcp"),
            ("_PORT_8480_TCP_PORT", "8480"),
            ("_PORT_8480_TCP_ADDR", "10.96.0.1"),
            ("_PORT_53_UDP", "udp://10.96.0.1:53"),
            ("_METRICS_SERVICE_HOST", "10.96.0.2"),
            ("_METRICS_PORT_9480_TCP_PORT", "9480"),
            ("_MY_PORT_PORT", "tcp://10.96.0.3:1"),
        ] {
            assert!(is_of_kubernetes(name, value), "{name}={value}");
        }
        for (name, value) in [
            ("_PORT", "8480"),
            ("_LISTEN_PORT", "8480"),
            ("_SERVICE_HOST", "credentials.example.com"),
            ("_SERVICE", "10.96.0.1"),
            ("_PORT_HTTP_TCP", "tcp://10.96.0.1:8480"),
            ("_PORT_8480_TCP_NAME", "8480"),
            ("_PUBLICURL", "tcp://10.96.0.1:8480"),
        ] {
            assert!(!is_of_kubernetes(name, value), "{name}={value}");
        }
    }
}
