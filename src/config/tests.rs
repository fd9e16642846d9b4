//! Tests of the settings, as a file and variables give them.

use std::path::Path;

use super::{Isolation, Listen, Loaded, Settings};
use crate::domain::{ErrorKind, Result};
use crate::service::AuditMode;

fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Settings> {
    Settings::parse(
        text,
        variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    )
}

#[test]
fn the_environment_goes_over_the_file() {
    let settings = parse(
        "public_url = 'http://a.example.com'\n[limits]\nbody_bytes = 5",
        &[
            ("TRANSIRE_PUBLIC_URL", "https://b.example.com"),
            ("TRANSIRE_LIMITS__REQUESTS_PER_SECOND", "7"),
            ("TRANSIRE_AUDIT", "required"),
            ("TRANSIRE_TRUSTED_PROXIES", "['192.0.2.1']"),
            ("TRANSIRE_DATA_DIR", "/var/lib/transire"),
            ("TRANSIRE_CONFIG", "/etc/transire.toml"),
            ("TRANSIRE_TEST_ANYTHING", "x"),
        ],
    )
    .unwrap();
    assert_eq!(settings.data_dir, Path::new("/var/lib/transire"));
    assert_eq!(settings.realm(), "https://b.example.com/token");
    assert_eq!(
        (
            settings.limits.requests_per_second,
            settings.limits.body_bytes
        ),
        (7, 5)
    );
    assert_eq!(settings.audit, AuditMode::Required);
    assert_eq!(settings.trusted_proxies, ["192.0.2.1"]);
}

#[test]
fn single_sign_on_has_an_issuer_a_client_and_rules_that_can_be_read() {
    let on = "[sso]\nissuer = 'https://issuer.example.com/'\nclient_id = 'transire'\n";
    let settings = parse(on, &[("TRANSIRE_SSO__ROLES", "['sub=alice -> admin']")]).unwrap();
    assert_eq!(settings.sso.roles, ["sub=alice -> admin"]);
    for (bad, why) in [
        ("[sso]\nclient_id = 'transire'", "together with sso.issuer"),
        ("[sso]\nissuer = 'https://x'", "together with sso.client_id"),
        ("[sso]\nissuer = 'x'\nclient_id = 'y'", "sso.issuer"),
        (&format!("{on}scopes = ['a b']"), "\"a b\""),
        (&format!("{on}roles = ['admin']"), "CLAIM=VALUE -> ROLE"),
        (
            &format!("{on}session_seconds = 28801"),
            "sso.session_seconds",
        ),
    ] {
        let error = parse(bad, &[]).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Misconfigured);
        assert!(error.message().contains(why), "{bad}: {error}");
    }
}

#[test]
fn web_pages_are_named_one_by_one() {
    assert!(parse("", &[]).unwrap().cors.origins.is_empty());
    let settings = parse(
        "",
        &[("TRANSIRE_CORS__ORIGINS", "['https://ui.example.com']")],
    )
    .unwrap();
    assert_eq!(settings.cors.origins, ["https://ui.example.com"]);
    for bad in ["*", "null", "https://ui.example.com/", "ui.example.com"] {
        let error = parse(
            &format!("[cors]\norigins = ['https://ui.example.com', '{bad}']"),
            &[],
        )
        .unwrap_err();
        assert!(
            error
                .message()
                .contains(&format!("cors.origins: \"{bad}\"")),
            "{error}"
        );
    }
}

#[test]
fn quotas_and_the_base_domain_are_read() {
    let settings = parse(
        "base_domain = 'registry.example.com'\n[quotas]\ninstances = 3\nnamespaces = { basic = 1, \
         standard = 2, premium = 3 }",
        &[("TRANSIRE_QUOTAS__ALLOW_LIST_ENTRIES", "7")],
    )
    .unwrap();
    let quotas = settings.quotas;
    assert_eq!(
        (
            quotas.instances,
            quotas.allow_list_entries,
            quotas.namespaces.premium,
            quotas.repositories.basic
        ),
        (3, 7, 3, 1000)
    );
    assert_eq!(
        settings.base_domain.as_deref(),
        Some("registry.example.com")
    );
    for bad in [
        "base_domain = 'https://example.com'",
        "base_domain = ''",
        "[quotas]\nwings = 2",
    ] {
        assert_eq!(
            parse(bad, &[]).unwrap_err().kind(),
            &ErrorKind::Misconfigured,
            "{bad}"
        );
    }
}

#[test]
fn a_port_alone_is_one_on_loopback() {
    let usual = parse("", &[]).unwrap();
    assert_eq!(
        (
            usual.metrics_listen,
            usual.listen.address().to_string().as_str()
        ),
        (None, "127.0.0.1:8480")
    );
    for (text, expected) in [
        ("9480", "127.0.0.1:9480"),
        ("'9480'", "127.0.0.1:9480"),
        ("'0.0.0.0:9480'", "0.0.0.0:9480"),
        ("'[::1]:9480'", "[::1]:9480"),
    ] {
        let settings = parse(&format!("metrics_listen = {text}\nlisten = {text}"), &[]).unwrap();
        for listen in [settings.metrics_listen.unwrap(), settings.listen] {
            assert_eq!(listen.address().to_string(), expected);
        }
    }
    assert_eq!(
        parse("", &[("TRANSIRE_METRICS_LISTEN", "0")])
            .unwrap()
            .metrics_listen,
        Some(Listen::Port(0))
    );
    assert_eq!(
        parse("", &[("TRANSIRE_LISTEN", "[::]:443")])
            .unwrap()
            .listen
            .address()
            .to_string(),
        "[::]:443"
    );
    // `--listen 8480` said "invalid socket address syntax".
    assert_eq!("8480".parse::<Listen>().unwrap(), Listen::Port(8480));
    for bad in [
        "'everywhere'",
        "':8480'",
        "65536",
        "-1",
        "'localhost:8480'",
        "true",
    ] {
        let refusal = parse(&format!("listen = {bad}"), &[]).unwrap_err();
        assert_eq!(
            refusal.message(),
            format!("the settings file:1: listen is {}", Listen::ALLOWED)
        );
    }
}

#[test]
fn the_ages_of_keys_are_days() {
    let keys = parse(
        "[keys]\nsigning_days = 7",
        &[("TRANSIRE_KEYS__SEALING_DAYS", "0")],
    )
    .unwrap()
    .keys;
    assert_eq!((keys.signing_days, keys.sealing_days), (7, 0));
    assert_eq!(
        parse("[keys]\nmaster_days = 1", &[]).unwrap_err().kind(),
        &ErrorKind::Misconfigured
    );
}

fn refusal(text: &str, variables: &[(&str, &str)]) -> String {
    let error = parse(text, variables).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Misconfigured);
    error.message().to_owned()
}

#[test]
fn an_unknown_setting_is_refused_with_its_place_and_the_nearest_one() {
    for (text, said) in [
        (
            "\npublicurl = 'x'",
            "the settings file:2: there is no setting publicurl; the nearest is public_url",
        ),
        (
            "[limits]\n\nbody_byte = 5",
            "the settings file:3: there is no setting limits.body_byte; the nearest is \
             limits.body_bytes",
        ),
        (
            "[limit]\nbody_bytes = 5",
            "the settings file:1: there is no setting limit; docs/settings.md lists them",
        ),
        ("limits = 5", "the settings file:1: limits is a table"),
        (
            "quotas.namespaces.tiny = 5",
            "the settings file:1: there is no setting quotas.namespaces.tiny; the nearest is \
             quotas.namespaces.basic",
        ),
    ] {
        assert_eq!(refusal(text, &[]), said);
    }
    for (name, said) in [
        (
            "TRANSIRE_PUBLICURL",
            "the variable TRANSIRE_PUBLICURL names no setting; the nearest is TRANSIRE_PUBLIC_URL",
        ),
        (
            "TRANSIRE_LIMITS_BODY_BYTES",
            "the variable TRANSIRE_LIMITS_BODY_BYTES names no setting; the nearest is \
             TRANSIRE_LIMITS__BODY_BYTES",
        ),
        (
            "TRANSIRE_CONFIGURATION",
            "the variable TRANSIRE_CONFIGURATION names no setting; the nearest is TRANSIRE_CONFIG",
        ),
    ] {
        assert_eq!(refusal("", &[(name, "x")]), said);
    }
}

/// A Service called `transire` puts these into every container of its namespace, and they stopped
/// service and commands.
#[test]
fn what_kubernetes_sets_for_a_service_called_transire_is_passed_over() {
    let settings = parse(
        "",
        &[
            ("TRANSIRE_SERVICE_HOST", "10.96.0.1"),
            ("TRANSIRE_SERVICE_PORT", "8480"),
            ("TRANSIRE_SERVICE_PORT_HTTP", "8480"),
            ("TRANSIRE_PORT", "tcp://10.96.0.1:8480"),
            ("TRANSIRE_PORT_8480_TCP", "tcp://10.96.0.1:8480"),
            ("TRANSIRE_PORT_8480_TCP_PROTO", "tcp"),
            ("TRANSIRE_PORT_8480_TCP_PORT", "8480"),
            ("TRANSIRE_PORT_8480_TCP_ADDR", "10.96.0.1"),
            ("TRANSIRE_LISTEN_SERVICE_HOST", "10.96.0.2"),
            ("TRANSIRE_LISTEN_PORT", "tcp://10.96.0.2:80"),
            ("TRANSIRE_LISTEN", "0.0.0.0:80"),
        ],
    );
    assert_eq!(settings.unwrap().listen.address().to_string(), "0.0.0.0:80");
    assert!(
        refusal("", &[("TRANSIRE_PORT", "8480")])
            .contains("the variable TRANSIRE_PORT names no setting")
    );
}

#[test]
fn a_value_that_is_not_allowed_is_refused_with_its_place_and_what_is() {
    let text = "audit = 'best-effort'\n\n[limits]\nidle_seconds = 60\nheader_bytes = 10_000\n";
    for (variable, said) in [
        (
            ("TRANSIRE_LIMITS__BODY_SECONDS", "ten"),
            "TRANSIRE_LIMITS__BODY_SECONDS: limits.body_seconds is a number of seconds, or a \
             time such as 90s, 5m, 1h30m or 7d",
        ),
        (
            ("TRANSIRE_LIMITS__REQUESTS_PER_SECOND", "-1"),
            "TRANSIRE_LIMITS__REQUESTS_PER_SECOND: limits.requests_per_second is a whole number, \
             at most 4294967295",
        ),
        (
            ("TRANSIRE_AUDIT", "always"),
            "TRANSIRE_AUDIT: audit is one of best-effort, required",
        ),
        (
            ("TRANSIRE_POSTGRES__NOTIFY", "no"),
            "TRANSIRE_POSTGRES__NOTIFY: postgres.notify is true or false",
        ),
        (
            ("TRANSIRE_TRUSTED_PROXIES", "10.0.0.0/8"),
            "TRANSIRE_TRUSTED_PROXIES: trusted_proxies is a list such as [\"one\", \"another\"]",
        ),
        (
            ("TRANSIRE_LIMITS__IDLE_SECONDS", "0"),
            "TRANSIRE_LIMITS__IDLE_SECONDS: limits.idle_seconds is at least 1s; leave it out for \
             its usual value",
        ),
        (
            ("TRANSIRE_LIMITS__HEADER_BYTES", "1"),
            "TRANSIRE_LIMITS__HEADER_BYTES: limits.header_bytes is at least 8192",
        ),
        (
            ("TRANSIRE_TLS__KEY_FILE", "/key"),
            "TRANSIRE_TLS__KEY_FILE: tls.key_file is set together with tls.certificate_file, or \
             neither is",
        ),
    ] {
        assert_eq!(refusal(text, &[variable]), said);
    }
    for (text, said) in [
        (
            "audit = 'always'",
            "the settings file:1: audit is one of best-effort, required",
        ),
        (
            "\n[limits]\nwait_milliseconds = 0",
            "the settings file:3: limits.wait_milliseconds is at least 1; leave it out for its \
             usual value",
        ),
        (
            "[limits]\nactions = { a = 'b' }",
            "the settings file:2: limits.actions is a table such as { \"tcr:CreateInstanceToken\" \
             = 20 }",
        ),
        (
            "postgres.isolation = 'chaos'",
            "the settings file:1: postgres.isolation is one of read-committed, serializable",
        ),
        ("data_dir = 5", "the settings file:1: data_dir is text"),
    ] {
        assert_eq!(refusal(text, &[]), said);
    }
    assert!(
        refusal("", &[("TRANSIRE_SIGNATURES__ALLOW", "['MD5']")]).contains("MD5 is none of them")
    );
    // The documents named `acs` for ROA, and the settings refused it.
    let documented = [
        "TC3-HMAC-SHA256",
        "HmacSHA256",
        "HmacSHA1",
        "ACS3-HMAC-SHA256",
        "HMAC-SHA1",
        "AWS4-HMAC-SHA256",
    ];
    assert_eq!(
        parse(&format!("[signatures]\nallow = {documented:?}"), &[])
            .unwrap()
            .signatures
            .allow
            .unwrap(),
        documented
    );
}

/// One figure of the three was refused without its place: "missing field `standard`".
#[test]
fn a_table_that_is_set_in_part_has_its_other_defaults() {
    let quotas = parse("quotas.namespaces.basic = 5", &[]).unwrap().quotas;
    assert_eq!(
        (quotas.namespaces.basic, quotas.namespaces.premium),
        (5, Settings::default().quotas.namespaces.premium)
    );
}

#[test]
fn each_setting_in_effect_has_the_place_that_sets_it() {
    let text = "database = 'postgres://u:hunter2EXAMPLE@db.example.com/t?password=hunter2'\n\
                [limits]\nbody_bytes = 5\nidle_seconds = '90m'\n";
    let variables = [
        ("TRANSIRE_LIMITS__IDLE_SECONDS", "60"),
        ("TRANSIRE_QUOTAS__NAMESPACES", "{ basic = 1 }"),
        (
            "TRANSIRE_SHARED__URL",
            "redis://:hunter2EXAMPLE@cache.example.com",
        ),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let file = Path::new("/etc/transire.toml");
    let (settings, origins) = Settings::read(Some(file), text, variables).unwrap();
    let loaded = Loaded {
        settings,
        warning: None,
        origins,
    };
    let effective = loaded.effective();
    for (path, value, origin) in [
        (
            "database",
            "postgres://u@db.example.com/t",
            "/etc/transire.toml:1",
        ),
        ("limits.body_bytes", "5", "/etc/transire.toml:3"),
        (
            "limits.idle_seconds",
            "\"1m\"",
            "TRANSIRE_LIMITS__IDLE_SECONDS",
        ),
        ("limits.header_seconds", "10s", "default"),
        (
            "quotas.namespaces.basic",
            "1",
            "TRANSIRE_QUOTAS__NAMESPACES",
        ),
        ("quotas.namespaces.standard", "100", "default"),
        ("shared.url", "a secret", "TRANSIRE_SHARED__URL"),
        ("master_key_file", "master.key in data_dir", "default"),
    ] {
        let found = effective.iter().find(|setting| setting.path == path);
        let found = found.map(|found| (found.value.as_str(), found.origin.as_str()));
        assert_eq!(found, Some((value, origin)), "{path}");
    }
    assert!(!format!("{effective:?}").contains("hunter2"));
}

#[test]
fn a_public_url_that_can_not_work_is_refused_by_its_wrong_part() {
    for (url, part) in [
        ("https://", "host is missing"),
        ("token", "scheme is missing"),
        ("http://host:%!s(<nil>)", "port \"%!s(<nil>)\""),
        ("https://me:hunter2EXAMPLE@a.example.com", "username"),
        ("https://a.example.com?x", "query"),
        ("https://a.example.com//x", "'//'"),
        ("https://a.example.com/", "ends with '/'"),
    ] {
        let error = parse("", &[("TRANSIRE_PUBLIC_URL", url)]).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Misconfigured, "{url}");
        assert!(
            error.message().contains("public_url: it") && error.message().contains(part),
            "{url}: {error}"
        );
        assert!(!error.message().contains("hunter2"), "{error}");
    }
}

#[test]
fn a_variable_may_hold_a_whole_table() {
    let (quotas, figures) = (
        "TRANSIRE_QUOTAS__NAMESPACES",
        "{ basic = 1, standard = 2, premium = 3 }",
    );
    let settings = parse(
        "",
        &[
            (quotas, figures),
            ("TRANSIRE_QUOTAS__NAMESPACES__PREMIUM", "7"),
        ],
    )
    .unwrap();
    assert_eq!(
        (
            settings.quotas.namespaces.basic,
            settings.quotas.namespaces.premium
        ),
        (1, 7)
    );
    for (value, said) in [
        (
            "7",
            "TRANSIRE_QUOTAS__NAMESPACES: quotas.namespaces is a table",
        ),
        (
            "{ tiny = 1 }",
            "TRANSIRE_QUOTAS__NAMESPACES: there is no setting quotas.namespaces.tiny; the nearest \
             is quotas.namespaces.basic",
        ),
        (
            "{ basic = 'x' }",
            "TRANSIRE_QUOTAS__NAMESPACES: quotas.namespaces.basic is a whole number, at most \
             4294967295",
        ),
    ] {
        assert_eq!(
            refusal(
                "[quotas.namespaces]\nbasic = 1\nstandard = 2\npremium = 3",
                &[(quotas, value)]
            ),
            said
        );
    }
}

#[test]
fn what_can_not_be_read_is_named_by_its_line_and_never_quoted() {
    for text in [
        "# comment\ndatabase = postgres://u:hunter2EXAMPLE@db.example.com/t\n",
        "\nmaster_key = 12hunter2EXAMPLE",
    ] {
        let said = refusal(text, &[]);
        assert!(
            said.starts_with("the settings file:2: ") && !said.contains("hunter2"),
            "{said}"
        );
    }
}

#[test]
fn others_are_asked_at_public_addresses_by_https_alone_unless_it_is_set() {
    let outgoing = parse("", &[]).unwrap().outgoing;
    assert!(
        !outgoing.allow_http && !outgoing.allow_private_addresses && outgoing.ca_file.is_none()
    );
    let outgoing = parse(
        "[outgoing]\nallow_http = true\nca_file = '/etc/ca.pem'",
        &[("TRANSIRE_OUTGOING__SECONDS", "7")],
    )
    .unwrap()
    .outgoing;
    assert!(
        outgoing.allow_http && !outgoing.allow_private_addresses && outgoing.seconds.get() == 7
    );
    assert_eq!(
        parse("[outgoing]\nseconds = 0", &[]).unwrap_err().kind(),
        &ErrorKind::Misconfigured
    );
}

#[test]
fn how_postgres_is_used_is_set_in_its_own_table() {
    let settings = parse(
        "[postgres]\nprepared_statements = false",
        &[("TRANSIRE_POSTGRES__ISOLATION", "serializable")],
    )
    .unwrap();
    assert_eq!(
        (
            settings.postgres.prepared_statements,
            settings.postgres.isolation
        ),
        (false, Isolation::Serializable)
    );
    assert!(settings.postgres.connections == 16 && settings.postgres.notify);
    for bad in [
        "isolation = 'chaos'",
        "connections = 0",
        "statement_seconds = 0",
        "connect_seconds = 0",
        "pool = 3",
    ] {
        assert_eq!(
            parse(&format!("[postgres]\n{bad}"), &[])
                .unwrap_err()
                .kind(),
            &ErrorKind::Misconfigured,
            "{bad}"
        );
    }
}

#[test]
fn what_replicas_share_is_off_until_a_server_is_named() {
    let settings = parse("", &[]).unwrap();
    assert!(settings.shared.url.is_none() && settings.signatures.window_seconds.get() == 900);
    let variable = (
        "TRANSIRE_SHARED__URL",
        "rediss://:hunter2EXAMPLE@cache.example.com:6380",
    );
    let settings = parse(
        "[shared]\ntimeout_ms = 50\n[signatures]\nwindow_seconds = 60",
        &[variable],
    )
    .unwrap();
    assert_eq!(
        (
            settings.shared.timeout_ms,
            settings.signatures.window_seconds.get()
        ),
        (50, 60)
    );
    assert!(!format!("{settings:?}").contains("hunter2"));
    for bad in [
        "[shared]\ntimeout_ms = 0",
        "[signatures]\nwindow_seconds = 901",
        "[shared]\nurls = 'x'",
    ] {
        assert_eq!(
            parse(bad, &[]).unwrap_err().kind(),
            &ErrorKind::Misconfigured,
            "{bad}"
        );
    }
}

#[test]
fn a_time_is_set_in_seconds_or_with_units() {
    for text in ["5400", "'5400'", "'5400s'", "'90m'", "'1h30m'"] {
        let settings = parse(&format!("limits.idle_seconds = {text}"), &[]).unwrap();
        assert_eq!(settings.limits.idle_seconds.get(), 5400, "{text}");
    }
    for text in ["5400", "1h30m", "'1h30m'"] {
        let settings = parse("", &[("TRANSIRE_LIMITS__IDLE_SECONDS", text)]).unwrap();
        assert_eq!(settings.limits.idle_seconds.get(), 5400, "{text}");
    }
    for bad in ["'soon'", "'5 m'", "-1", "1.5", "true", "07:32:00"] {
        assert_eq!(
            refusal(&format!("limits.idle_seconds = {bad}"), &[]),
            "the settings file:1: limits.idle_seconds is a number of seconds, or a time such as \
             90s, 5m, 1h30m or 7d"
        );
    }
    assert_eq!(
        refusal("signatures.window_seconds = '16m'", &[]),
        "the settings file:1: signatures.window_seconds is 1s to 15m"
    );
}

#[test]
fn what_is_known_is_gone_by_for_five_minutes_unless_it_is_set() {
    assert_eq!(parse("", &[]).unwrap().max_staleness_seconds.get(), 300);
    assert_eq!(
        parse("max_staleness_seconds = 0", &[])
            .unwrap()
            .max_staleness_seconds
            .get(),
        0
    );
    assert_eq!(
        parse("[limits]\ndatabase_seconds = 0", &[])
            .unwrap_err()
            .kind(),
        &ErrorKind::Misconfigured
    );
}

#[test]
fn secrets_in_settings_are_not_printed() {
    let settings = parse(
        "database = 'postgres://u:hunter2EXAMPLE@db.example.com/t'",
        &[("TRANSIRE_MASTER_KEY", &"12".repeat(32))],
    )
    .unwrap();
    let printed = format!("{settings:?}");
    assert!(
        !printed.contains("hunter2") && !printed.contains("1212"),
        "{printed}"
    );
    assert_eq!(settings.master_key.unwrap().0.expose(), "12".repeat(32));
}

#[test]
fn a_misspelt_level_of_the_log_is_refused() {
    // The parser of levels takes `inof` for a part of the program, and logs nothing of the others.
    for level in ["inof", "info,inof", "transire=loud", "transire[=info"] {
        let text = format!("[log]\nlevel = '{level}'");
        let error = Settings::parse(&text, []).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Misconfigured)
                && error.message().contains(":2: log.level is a level, or"),
            "{level}: {error}"
        );
    }
    for level in [
        "debug",
        "WARN",
        "off",
        "info,transire::store=debug",
        "transire=trace",
    ] {
        let text = format!("log.level = '{level}'");
        assert!(Settings::parse(&text, []).is_ok(), "{level}");
    }
}
