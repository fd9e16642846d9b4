//! The settings that tests begin with.

use std::collections::HashMap;
use std::time::Duration;

use transire::service::{self, AuditMode};
use transire::sign;

use crate::harness::HOST;

/// The settings of an app; a test changes the ones it is about.
pub(crate) struct Options {
    pub(crate) service: service::Settings,
    pub(crate) http: transire::http::Settings,
    /// The master keys, where one alone doesn't do.
    pub(crate) master: Option<service::MasterKeys>,
}

impl Options {
    pub(crate) fn usual() -> Self {
        Self {
            service: service::Settings {
                quotas: service::Quotas::default(),
                public_url: format!("http://{HOST}"),
                base_domain: None,
                service_account_grant: service::ServiceAccountGrant::OwnRights,
                audit: service::AuditSettings {
                    mode: AuditMode::BestEffort,
                    days: 90,
                    queue: 1000,
                    checkpoints: Vec::new(),
                    tells_webhook: false,
                },
                max_staleness: Duration::from_mins(5),
                database_patience: Duration::from_secs(5),
                signatures: service::Signatures {
                    methods: sign::Method::ALL.to_vec(),
                    window: Duration::from_mins(15),
                    stand_in: None,
                },
                shared: None,
                limits: service::LimitSettings {
                    requests_per_second: 100,
                    requests_per_second_by_action: HashMap::new(),
                    refusals_per_second: 1000,
                    refusals_burst: 1000,
                    failed_log_ins: 1000,
                    failed_log_ins_per_minute: 1000,
                    anonymous_per_second: 1000,
                    anonymous_burst: 1000,
                    token_requests_per_second: 1000,
                    token_requests_burst: 1000,
                    operator_requests_per_second: 1000,
                    operator_requests_burst: 1000,
                    replay_bytes: 16 << 20,
                    remembered_exchange_bytes: 1 << 20,
                },
                passwords: service::PasswordSettings {
                    threads: 2,
                    queue: 100,
                },
                outgoing: service::Outgoing::default(),
                notices: service::NoticeSettings {
                    ahead: [30, 7, 1]
                        .map(|days| Duration::from_hours(24) * days)
                        .into(),
                    refusals_per_hour: 100,
                },
                webhook: None,
                keys: service::KeySchedule::NEVER,
                sso: service::Sso::default(),
            },
            http: transire::http::Settings::default(),
            master: None,
        }
    }
}
