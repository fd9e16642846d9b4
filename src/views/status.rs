//! The view of the service's state.

use crate::service;

view! {
    /// The state of the service in short.
    pub struct Status {
        /// The version of the program.
        version: String,
        /// The commit that it was built from.
        commit: Option<String>,
        /// The number of steps of the schema.
        schema: usize,
        /// The database: SQLite or PostgreSQL.
        database: String,
        /// The version of the database.
        database_version: Option<String>,
        /// The bytes that the data takes.
        database_bytes: Option<u64>,
        /// The time in milliseconds that the database took to answer.
        database_latency_ms: u64,
        /// The issuer that tokens name.
        issuer: String,
        /// The URL at which clients reach the service.
        public_url: String,
        /// The replicas that run, each with its version.
        replicas: Vec<String>,
        /// The time of the last backup, as in RFC 3339.
        last_backup_at: Option<String>,
        /// The things that the operator should act on.
        warnings: Vec<String>,
    }
}

impl Status {
    /// Shows the state, with the program's version and commit.
    pub fn of(
        status: service::Status,
        warnings: Vec<service::Warning>,
        version: &str,
        commit: Option<&str>,
    ) -> Self {
        let replica = |one: service::Replica| format!("{} {}", one.id, one.version);
        Self {
            version: version.to_owned(),
            commit: commit.map(str::to_owned),
            schema: status.schema,
            database: status.database.kind.to_owned(),
            database_version: status.database.version,
            database_bytes: status.database.bytes,
            database_latency_ms: u64::try_from(status.latency.as_millis()).unwrap_or(u64::MAX),
            issuer: status.issuer,
            public_url: status.public_url,
            replicas: status.replicas.into_iter().map(replica).collect(),
            last_backup_at: status.last_backup_at.map(|at| at.rfc3339()),
            warnings: warnings.into_iter().map(|one| one.text).collect(),
        }
    }
}
