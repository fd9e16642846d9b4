//! The list of settings: each entry is the field, its default, its bounds and its row in
//! `docs/settings.md`.
//!
//! Those of [`Limits`] are in a list of their own. A sentence here is read by operators.

use std::path::PathBuf;

use super::database_url::DatabaseUrl;
use super::declare::settings;
use super::limits::Limits;
use super::listen::Listen;
use super::values::{Isolation, LogFormat, MasterKeyText, SharedUrl};
use crate::domain::seconds::Seconds;
use crate::service::{AuditMode, BySpecification, Quotas, ServiceAccountGrant};

settings! {
    /// Everything that can be set.
    Settings {
        /// The folder of the SQLite database and the master key. `--data-dir` overrides it.
        data_dir: PathBuf = "./transire-data".into();
        /// The address at which `serve` and `quickstart` listen, such as `0.0.0.0:8480`, or a port
        /// on loopback; port 0 picks a free one. `--listen` overrides it.
        listen: Listen = Listen::Port(8480);
        /// The URL at which clients reach the service; a registry's realm is this URL and `/token`.
        /// It has a scheme, a host, perhaps a port and a path, but no user, no query and no `/` at
        /// its end. `serve` warns when it leads to the reader's own machine, or to a port other
        /// than the one at which it listens. A proxy in front (`trusted_proxies`,
        /// `allow_plain_http`, or `https://` without `tls`) has a port of its own.
        public_url: String = "http://localhost:8480".to_owned();
        /// The PostgreSQL database, `postgres://user@host:5432/name`: [its
        /// URL](#the-databases-url).
        database: Option<DatabaseUrl> = None => "SQLite in `data_dir`";
        /// Bounds how long a process answers from its caches while it can't read the change feed. A
        /// replica without its database may miss a revocation for so long. 0 refuses as soon as the
        /// loss is noticed, within a second.
        max_staleness_seconds: Seconds = Seconds::new(300);
        /// The master key itself, 64 hexadecimal characters; several are divided by spaces. A file
        /// is better. A settings file that holds it is refused unless its owner alone can read it.
        master_key: Option<MasterKeyText> = None;
        /// The file that holds the master key. The first start makes it with SQLite; with
        /// PostgreSQL it is always given. systemd's credential `transire.master-key` takes its
        /// place where neither of the two is set. While the master key is rotated, the file holds
        /// two, one a line.
        master_key_file: Option<PathBuf> = None => "`master.key` in `data_dir`";
        /// The address of `/metrics`, and of `/healthz` and `/readyz` besides, such as
        /// `0.0.0.0:9480`, or a port on loopback. This listener authenticates nobody.
        metrics_listen: Option<Listen> = None;
        /// The address of the [admin API](admin-api.md) and the [console](console.md), such as
        /// `127.0.0.1:8481`, or a port on loopback. Beyond loopback it needs `tls`, or a proxy in
        /// front that speaks TLS.
        admin_listen: Option<Listen> = None;
        /// Serves the admin API and the console at `listen`, too.
        @reloads admin_public: bool = false;
        /// The names of hosts, besides that of `public_url`, under which the console is served. An
        /// address and `localhost` always are.
        @reloads admin_hosts: Vec<String> = Vec::new();
        /// `required` refuses a request whose audit line finds the queue full; `best-effort` drops,
        /// counts and reports the line.
        audit: AuditMode = AuditMode::BestEffort;
        /// How many days audit lines are kept; 0 keeps them for ever.
        @reloads audit_days: u32 = 90;
        /// Lets the service listen without TLS at an address that isn't loopback, for a proxy in
        /// front that speaks TLS.
        allow_plain_http: bool = false;
        /// Addresses, or networks such as `10.0.0.0/8`, of reverse proxies whose `X-Forwarded-For`
        /// is believed.
        @reloads trusted_proxies: Vec<String> = Vec::new();
        /// The domain of instances that an API makes: each gets the service `NAME.DOMAIN`. Without
        /// it no API makes one. Point these names at their registries, whose `auth.token.service`
        /// they are.
        @reloads base_domain: Option<String> = None;
        /// The registry program that `quickstart` starts.
        quickstart_registry: Option<PathBuf> = None => "`docker-registry` or `registry`, found on \
                                                        the path";
        /// The log, on standard error: [observability.md](observability.md#the-log).
        log: Log = Log::default();
        /// How a PostgreSQL database is used.
        postgres: Postgres = Postgres::default();
        /// The ages at which the service replaces the keys that sign and seal.
        keys: Keys = Keys::default();
        /// The signatures that are accepted.
        signatures: Signatures = Signatures::default();
        /// A Redis or Valkey server in which replicas keep nonces and rates together.
        shared: Shared = Shared::default();
        /// HTTPS. Without both files the service speaks plain HTTP.
        tls: Tls = Tls::default();
        /// The web pages that may ask for tokens.
        cors: Cors = Cors::default();
        /// Single sign-on for the [console](console.md#single-sign-on), by OpenID Connect.
        sso: Sso = Sso::default();
        /// How the service ends.
        shutdown: Shutdown = Shutdown::default();
        /// Traces for OpenTelemetry: [observability.md](observability.md#traces).
        telemetry: Telemetry = Telemetry::default();
        /// Requests of this service to others: OpenID Connect issuers and registries.
        outgoing: Outgoing = Outgoing::default();
        /// Notices of secrets that end, were replaced, were stopped or are refused often:
        /// [rotation.md](rotation.md#notices).
        notices: Notices = Notices::default();
        /// The places to which checkpoints of the audit go: [audit.md](audit.md#verify).
        checkpoints: Checkpoints = Checkpoints::default();
        /// Service accounts.
        service_accounts: ServiceAccounts = ServiceAccounts::default();
        /// Rates, sizes, times and queues.
        limits: Limits = Limits::default();
        /// How many things an account or an instance may have.
        quotas: Quotas = Quotas::default();
    }
}

settings! {
    /// The log, on standard error: [observability.md](observability.md#the-log).
    Log {
        /// The form of a line: `text` for people, `json` for programs, an object a line.
        format: LogFormat = LogFormat::Text;
        /// The least level (`error`, `warn`, `info`, `debug` or `trace`), and other levels for
        /// parts of the program behind it: `info,transire::store=debug`.
        level: Option<String> = None => "`RUST_LOG`, else `info` for `serve` and `warn` for other \
                                         commands";
    }
}

settings! {
    /// How a PostgreSQL database is used.
    Postgres {
        /// Connections of one process. Listening and probing take one more.
        connections: usize = 16, 1..;
        /// Whether sessions keep prepared statements and settings. `false` is for poolers that give
        /// each transaction another session (PgBouncer's `pool_mode = transaction`).
        prepared_statements: bool = true;
        /// The isolation of transactions; `serializable` is the strictest level.
        isolation: Isolation = Isolation::ReadCommitted;
        /// How long each host may take to let a connection in.
        connect_seconds: Seconds = Seconds::new(3), 1..;
        /// How long the server may work on one statement.
        statement_seconds: Seconds = Seconds::new(5), 1..;
        /// How long `serve` waits at its start for a database that doesn't answer.
        start_seconds: Seconds = Seconds::new(60);
        /// Whether replicas also announce changes by LISTEN and NOTIFY; they poll for them five
        /// times a second in any case. It is off without `postgres.prepared_statements`, and is
        /// given up where the database doesn't know it.
        notify: bool = true;
    }
}

settings! {
    /// The ages at which the service replaces the keys that sign and seal.
    Keys {
        // A key that was stolen without a trace works for a quarter of a year at most.
        /// How many days old a signing key becomes before the service makes the next; 0 leaves it
        /// to the operator.
        @reloads signing_days: u32 = 90;
        /// The same of sealing keys. Old ones are kept as long as anything lives that they sealed,
        /// ten years: 90 days make forty of them at most.
        @reloads sealing_days: u32 = 90;
    }
}

settings! {
    /// The signatures that are accepted.
    Signatures {
        /// The accepted methods, of `TC3-HMAC-SHA256`, `HmacSHA256` and `HmacSHA1` (Tencent),
        /// `ACS3-HMAC-SHA256` and `HMAC-SHA1` (Alibaba's RPC V1 and ROA V1, which share the name),
        /// `AWS4-HMAC-SHA256` (AWS).
        @reloads allow: Option<Vec<String>> = None => "all";
        /// How far a request's time may be from the server's, before or after. The vendors' own 300
        /// (Tencent) and 900 (Alibaba, AWS) stay where they are less. A smaller window shortens the
        /// time in which a recorded request can be replayed, and needs clocks that are
        /// as exact.
        @reloads window_seconds: Seconds = Seconds::new(900), 1..=900;
    }
}

settings! {
    /// A Redis or Valkey server in which replicas keep nonces and rates together.
    Shared {
        /// The server: `redis://HOST:6379`, or `rediss://HOST:6379` with TLS. With a password it is
        /// `redis://USER:PASSWORD@HOST`, in the settings file or in `TRANSIRE_SHARED__URL`. Without
        /// it each replica knows its own calls alone.
        url: Option<SharedUrl> = None;
        /// The CA certificates, PEM, that verify a `rediss://` server.
        ca_file: Option<PathBuf> = None => "the system's";
        /// How long a request waits for the server, in milliseconds.
        timeout_ms: u64 = 100, 1..=5000;
    }
}

settings! {
    /// HTTPS. Without both files the service speaks plain HTTP.
    Tls {
        /// The service's certificate, then those between it and its CA, PEM. A changed file is read
        /// again.
        certificate_file: Option<PathBuf> = None;
        /// The certificate's private key, PEM, not encrypted; not every user of the machine may
        /// read it. The two files are set together.
        key_file: Option<PathBuf> = None;
    }
}

settings! {
    /// The web pages that may ask for tokens.
    Cors {
        /// The origins of registry user interfaces whose pages may ask `/token` from a browser, as
        /// browsers send them: `["https://ui.example.com"]`, with the port unless it is the
        /// scheme's own. `*` is refused, because a page's request carries its visitor's credential.
        @reloads origins: Vec<String> = Vec::new();
    }
}

settings! {
    /// Single sign-on for the [console](console.md#single-sign-on), by OpenID Connect.
    Sso {
        /// The issuer, to the letter as its tokens name it. It is set together with
        /// `sso.client_id`. `outgoing` says which addresses the service may ask.
        @reloads issuer: Option<String> = None;
        /// The name of this service at the issuer. The issuer leads back to
        /// `https://HOST/console/log-in/sso`, where HOST is the console's own.
        @reloads client_id: Option<String> = None;
        /// The file with the client's secret, read at each log-in. A public client has none, and is
        /// proved by PKCE alone.
        @reloads client_secret_file: Option<PathBuf> = None;
        /// The scopes that are asked for, besides `openid`.
        @reloads scopes: Vec<String> = vec!["openid".to_owned(), "profile".to_owned()];
        /// The rules by which claims give a role, each `CLAIM=VALUE -> ROLE`, such as
        /// `groups=platform -> admin` or `groups=team-a -> account-admin:100000000001`. The first
        /// that matches wins; without a match nobody gets in. They hold for sessions that are
        /// there, too.
        @reloads roles: Vec<String> = Vec::new();
        /// The name on the button: Log in with NAME.
        @reloads name: String = "single sign-on".to_owned();
        /// How long a session lasts at most.
        @reloads session_seconds: Seconds = Seconds::new(28800), 60..=28800;
    }
}

settings! {
    /// How the service ends.
    Shutdown {
        /// How long, after SIGTERM, `/readyz` answers 503 while connections are still accepted. It
        /// is longer than the load balancer needs to notice.
        @reloads delay_seconds: Seconds = Seconds::new(0);
        /// How long requests in work may then take.
        @reloads drain_seconds: Seconds = Seconds::new(10);
    }
}

settings! {
    /// Traces for OpenTelemetry: [observability.md](observability.md#traces).
    Telemetry {
        /// The URL to which traces of requests are sent, by OTLP over HTTP:
        /// `http://127.0.0.1:4318/v1/traces`. Without it there are none. `outgoing.ca_file`
        /// verifies a receiver of `https://`, too.
        traces_endpoint: Option<String> = None;
        /// How many of a thousand requests are traced. A trusted proxy that sends `traceparent`
        /// decides for its requests.
        traces_per_thousand: u64 = 1000, 0..=1000;
    }
}

settings! {
    /// Requests of this service to others: OpenID Connect issuers and registries.
    Outgoing {
        /// Lets an OpenID Connect issuer be reached without TLS: for trials.
        allow_http: bool = false;
        /// Lets an issuer be at an address that isn't public: loopback, private networks,
        /// link-local and so on. The cluster's own issuer needs it, or has its keys given with
        /// `--jwks`.
        allow_private_addresses: bool = false;
        /// CA certificates that are trusted besides the system's (which `SSL_CERT_FILE` replaces),
        /// PEM, read at first use. Registries and the webhook are verified by them, too.
        ca_file: Option<PathBuf> = None;
        /// How long a request to an issuer, to a registry or to the webhook may take. Registries
        /// may always be at private addresses and without TLS: the operator alone says where they
        /// are.
        seconds: Seconds = Seconds::new(5), 1..=60;
    }
}

settings! {
    /// The places to which checkpoints of the audit go, out of the reach of whoever writes in the
    /// database: [audit.md](audit.md#verify).
    Checkpoints {
        /// A file, to which each checkpoint is added as a line.
        file: Option<PathBuf> = None;
        /// The socket of the system's log, such as `/dev/log`. It is told the number and the
        /// SHA-256 of each checkpoint.
        syslog: Option<PathBuf> = None;
        /// Tells the webhook of each checkpoint, too. It needs `notices.webhook_url`.
        webhook: bool = false;
    }
}

settings! {
    /// Notices of secrets that end, were replaced, were stopped or are refused often:
    /// [rotation.md](rotation.md#notices).
    Notices {
        /// How long before a secret's end there is a notice, each time; ten times at most.
        @reloads ahead: Vec<String> = ["30d", "7d", "1d"].map(str::to_owned).into();
        /// How many refused log-ins of one credential or service account, within an hour and at
        /// one replica, make a notice; 0 makes none.
        @reloads refusals_per_hour: u32 = 100;
        /// The URL that is told of notices. It needs `notices.webhook_secret_file`.
        webhook_url: Option<String> = None;
        /// The file of the secret that signs what the webhook is told: `whsec_` and the Base64 of
        /// 24 to 64 random bytes; two lines while one secret replaces the other. Not every user of
        /// the machine may read it. It is read again before each time that something is sent.
        webhook_secret_file: Option<PathBuf> = None;
        /// The kinds that the webhook is told, of `expiring`, `expired`, `rotated`, `revoked` and
        /// `refused-too-often`.
        webhook_kinds: Option<Vec<String>> = None => "all";
        /// Lets the webhook be reached without TLS: for trials.
        webhook_allow_http: bool = false;
        /// Lets the webhook be at an address that isn't public: loopback, private networks,
        /// link-local and so on.
        webhook_allow_private_addresses: bool = false;
    }
}

settings! {
    /// Service accounts.
    ServiceAccounts {
        /// The rights that a user may grant to service accounts. `own-rights`: what its own
        /// policies allow it without a condition, and a session nothing. `vendor`: anything, as at
        /// Tencent Cloud, sessions too. `transire account update --service-account-grant` overrides
        /// it for one account ([granting rights to
        /// others](guarantees.md#granting-rights-to-others)).
        @reloads grant: ServiceAccountGrant = ServiceAccountGrant::OwnRights;
    }
}

// The service has the types and the clouds' figures.
settings! {
    for Quotas {
        /// Instances of one account that an API made, counted with those of the operator, who may
        /// exceed the quota.
        @reloads instances;
        /// Entries in the allow list of one instance.
        @reloads allow_list_entries;
        /// Long-term credentials of one instance.
        @reloads long_term_credentials;
        /// Service accounts of one instance.
        @reloads service_accounts;
        /// Subjects of OpenID Connect issuers that one account refuses (`transire revoke
        /// --subject`).
        @reloads refused_subjects;
        /// Stored session policies of one account: those too long for a log-in secret, 4096 bytes
        /// each at most, until their last session ends. One caller takes a quarter at most.
        @reloads session_policies;
        /// Namespaces of one instance, by its specification, as Tencent sells them; an operator's
        /// instance is premium.
        @reloads namespaces;
        /// Recorded repositories of one instance, in all its namespaces, by its specification; an
        /// import may exceed the quota.
        @reloads repositories;
    }
}

settings! {
    for BySpecification {
        /// Of a basic instance.
        @reloads basic;
        /// Of a standard instance.
        @reloads standard;
        /// Of a premium instance.
        @reloads premium;
    }
}
