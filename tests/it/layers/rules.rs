//! The tables: each room, and each part of a room, with all that it may use.

/// A room with the rooms and crates that it may use; tests inside of it are free.
pub(super) struct Room {
    pub(super) name: &'static str,
    /// Rooms of ours, besides itself.
    pub(super) ours: &'static [&'static str],
    /// Crates of others, besides the standard library.
    pub(super) others: &'static [&'static str],
    pub(super) purity: Purity,
}

#[derive(PartialEq, Eq)]
pub(super) enum Purity {
    /// No files, sockets, threads, environment or async.
    Pure,
    /// Anything that the crates above give.
    Free,
}

macro_rules! rooms {
    ($($name:ident, $purity:ident: rooms [$($ours:ident)*] crates [$($others:ident)*];)*) => {
        pub(super) const ROOMS: &[Room] = &[$(Room {
            name: stringify!($name),
            ours: &[$(stringify!($ours)),*],
            others: &[$(stringify!($others)),*],
            purity: Purity::$purity,
        }),*];
    };
}

rooms! {
    domain, Pure: rooms [] crates [crc32fast getrandom rustix serde subtle thiserror time zeroize];
    policy, Pure: rooms [domain] crates [serde serde_json];
    sign, Pure: rooms [domain] crates [
        aws_lc_rs base64 form_urlencoded hex http httpdate md5 percent_encoding serde
        serde_json subtle zeroize
    ];
    token, Pure: rooms [domain] crates [
        argon2 aws_lc_rs base64 bcrypt hex miniz_oxide rcgen serde serde_json subtle time zeroize
    ];
    store, Free: rooms [domain] crates [
        aws_lc_rs bytes deadpool deadpool_postgres rusqlite rustls thiserror tokio
        tokio_postgres tokio_rustls tracing url
    ];
    remote, Free: rooms [] crates [
        base64 bytes http http_body_util hyper hyper_util rustls rustls_native_certs serde
        serde_json thiserror tokio tokio_rustls tracing url
    ];
    telemetry, Free: rooms [domain remote] crates [
        bytes http tokio tracing tracing_subscriber url
    ];
    shared, Free: rooms [domain] crates [arc_swap aws_lc_rs hex redis rustls tokio tracing];
    service, Free: rooms [domain policy remote shared sign store token version] crates [
        arc_swap aws_lc_rs hex quick_cache serde serde_json subtle tokio tracing zeroize
    ];
    http, Free: rooms [admin domain service sign version views] crates [
        arc_swap askama axum base64 bytes form_urlencoded http http_body_util hyper
        percent_encoding serde serde_json tokio tracing utoipa
    ];
    views, Pure: rooms [domain service] crates [serde serde_json utoipa];
    admin, Free: rooms [domain import registry_config service state version views] crates [
        base64 clap serde serde_json serde_path_to_error utoipa
    ];
    config, Free: rooms [domain http secret_files service sign] crates [
        http percent_encoding serde toml tracing tracing_subscriber url zeroize
    ];
    version, Pure: rooms [] crates [];
    open, Free: rooms [config domain secret_files service sign store token] crates [
        hex rustix tracing zeroize
    ];
    serve, Free: rooms [
        config domain http open secret_files service telemetry token version
    ] crates [
        arc_swap aws_lc_rs axum bytes http hyper hyper_util listenfd rustix rustls serde_json
        tokio tokio_rustls tracing
    ];
    import, Pure: rooms [domain policy] crates [saphyr_parser serde_json];
    client, Free: rooms [domain remote sign] crates [
        base64 bytes hex http rustix serde serde_json toml url
    ];
    quickstart, Free: rooms [
        client config domain open registry_config registry_process serve service
    ] crates [
        aws_lc_rs base64 bytes clap hex http http_body_util hyper_util serde serde_json
        tokio url
    ];
    mock, Free: rooms [
        config domain http open registry_config registry_process serve service state store token
    ] crates [clap hex serde_json tokio tracing];
    state, Free: rooms [domain service] crates [aws_lc_rs hex serde serde_json toml utoipa];
    registry_process, Free: rooms [config domain] crates [tokio];
    registry_config, Free: rooms [domain] crates [serde_json];
    transfer, Free: rooms [config domain open service store] crates [hex serde tracing];
    // In no shipped build, as are the parts called so of other rooms: they may use anything.
    fuzzing, Free: rooms [] crates [];
    main, Free: rooms [cli] crates [clap mimalloc zeroizing_alloc];
    secret_files, Free: rooms [domain] crates [];
    cli, Free: rooms [
        admin client config domain import mock open quickstart registry_config remote serve
        service state telemetry transfer version views
    ] crates [
        bytes clap clap_complete clap_mangen comfy_table form_urlencoded http rustix serde
        serde_json tokio tracing tracing_subscriber unicode_width
    ];
}

/// Parts of a room with the parts of it that they may use; the room's own file is free.
pub(super) struct Part {
    pub(super) room: &'static str,
    pub(super) names: &'static [&'static str],
    /// Parts of the room, besides the part itself.
    pub(super) ours: &'static [&'static str],
}

macro_rules! parts {
    ($($room:ident [$($name:ident)*]: [$($ours:ident)*];)*) => {
        /// The parts of rooms that have rules inside: each part of such a room is in a row.
        pub(super) const PARTS: &[Part] = &[$(Part {
            room: stringify!($room),
            names: &[$(stringify!($name)),*],
            ours: &[$(stringify!($ours)),*],
        }),*];
    };
}

parts! {
    // In `http`: no door has another one in its row.
    http [front]: [door doors exchange mock observe request];
    http [exchange]: [door doors request];
    http [mock]: [request];
    http [doors]: [
        admin alibaba aws console door oauth observe plain registry request tencent
    ];
    http [door]: [request];
    http [request]: [];
    http [observe]: [request];
    http [tencent alibaba aws registry oauth plain]: [door request];
    http [admin console]: [door operators request];
    http [operators]: [request];

    // In `service`.
    service [request]: [];
    service [quotas]: [];
    service [sharded]: [];
    service [adjustable]: [quotas];
    service [base]: [adjustable];
    service [limits]: [base request sharded];
    service [memory]: [base sharded];
    service [ledger]: [base limits memory request];
    service [access]: [adjustable base ledger limits memory request];
    service [call]: [access ledger request];
    service [rights]: [access base call ledger memory request];
    // The use cases: none uses another.
    service [credentials exchange sts identity keys notices]: [
        access adjustable base call ledger limits memory quotas request rights
    ];
    // An instance with a registry of its own kind gets a key; operators read the warnings about
    // keys.
    service [registry operations]: [
        access adjustable base call keys ledger limits memory quotas request rights
    ];
    // These serve all parts; the face is the struct `Service` itself.
    service [settings]: [adjustable ledger notices quotas];
    service [background]: [face keys ledger memory notices operations registry sts];
    service [open]: [
        access base credentials exchange face identity keys ledger limits memory notices
        operations quotas registry rights settings sts
    ];
}

/// Items of other rooms that a room hands on under its own name, by who does it.
pub(super) const HANDED_ON: &[(&str, &str)] = &[
    ("open", "store"),
    ("service", "domain"),
    ("service", "policy"),
    ("service", "remote"),
    ("service", "shared"),
    ("service", "store"),
    ("service", "token"),
    ("transfer", "store"),
];

/// Parts of the standard library that a pure room has no use for.
pub(super) const IMPURE: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io",
    "std::process",
    "std::thread",
    "std::net::Tcp",
    "std::net::Udp",
    "async fn",
    "async move",
    ".await",
];

/// The signature room's functions that make signatures: a server only checks them.
pub(super) const SIGNERS: &[&str] = &[
    "tc3::authorization",
    "acs3::sign",
    "alibaba_rpc::sign",
    "alibaba_roa::sign",
    "tencent_v1::sign",
    "sigv4::sign",
    "sigv4::presign",
];
