//! The view of instances.

use crate::domain::instance::{DefaultMark, Instance as Stored};
use crate::domain::switch::Switch;

view! {
    /// An instance.
    pub struct Instance {
        /// Its id at Tencent's API.
        tcr_id: String,
        /// Its id at Alibaba's API.
        cri_id: String,
        /// The account that owns it.
        account_id: String,
        /// Its name.
        name: String,
        /// The region that it reports.
        region: String,
        /// The registry's service name.
        service: String,
        /// The software of its registry.
        kind: String,
        /// The algorithm that signs its tokens.
        alg: String,
        /// The form of the key id in its tokens.
        kid: String,
        /// The issuer that its tokens name.
        issuer: String,
        /// The prepared issuer.
        next_issuer: Option<String>,
        /// The life of its tokens in seconds.
        token_ttl: u32,
        /// Whether it serves the calls that name no instance.
        default: bool,
        /// The URL at which the registry answers.
        registry_url: Option<String>,
        /// The host that it answers to as an ECR registry.
        ecr_host: Option<String>,
        /// Its size, which decides its quotas.
        specification: String,
        /// Whether deletion is refused.
        deletion_protection: bool,
        /// Whether clients can log in: open or closed.
        public_endpoint: String,
        /// Whether the allow list is in force: enabled or disabled.
        allow_list: String,
        /// Whether it gives out refresh tokens: on or off.
        refresh_tokens: String,
        /// Whether OpenID Connect tokens log in: on or off.
        token_log_in: String,
        /// The time at which it was made, as in RFC 3339.
        created_at: String,
    }
}

view! {
    /// An instance that was just made.
    pub struct NewInstance {
        /// Its id at Tencent's API.
        tcr_id: String,
        /// Its id at Alibaba's API.
        cri_id: String,
        /// The registry's service name.
        service: String,
        /// The software of its registry.
        kind: String,
        /// The issuer that its tokens name.
        issuer: String,
        /// The life of its tokens in seconds.
        token_ttl: u32,
        /// The URL at which its clients get tokens.
        realm: String,
    }
}

view! {
    /// An instance that was changed.
    pub struct ChangedInstance {
        /// Its id at Tencent's API.
        tcr_id: String,
        /// Its state: updated.
        state: String,
        /// The issuer that its tokens name.
        issuer: String,
        /// The prepared issuer.
        next_issuer: Option<String>,
    }
}

view! {
    /// An instance that was deleted.
    pub struct DeletedInstance {
        /// Its id at Tencent's API.
        tcr_id: String,
        /// Its state: deleted.
        state: String,
    }
}

impl Instance {
    /// Shows an instance, and the issuer that its tokens name, which may be the store's.
    pub fn of(instance: Stored, issuer: String) -> Self {
        Self {
            tcr_id: instance.id.to_string(),
            cri_id: instance.cri_id.to_string(),
            account_id: instance.account.to_string(),
            name: instance.name,
            region: instance.region,
            service: instance.service,
            kind: instance.kind.name().to_owned(),
            alg: instance.algorithm.name().to_owned(),
            kid: instance.kid_format.name().to_owned(),
            issuer,
            next_issuer: instance.next_issuer,
            token_ttl: instance.token_ttl_seconds,
            default: instance.default == DefaultMark::Marked,
            registry_url: instance.registry_url,
            ecr_host: instance.ecr_host,
            specification: instance.specification.name().to_owned(),
            deletion_protection: instance.deletion_protection.is_on(),
            public_endpoint: if instance.public_endpoint.is_on() {
                "open"
            } else {
                "closed"
            }
            .to_owned(),
            allow_list: allow_list_state(instance.allow_list).to_owned(),
            refresh_tokens: on_or_off(instance.refresh_tokens),
            token_log_in: on_or_off(instance.token_log_in),
            created_at: instance.created_at.rfc3339(),
        }
    }
}

fn on_or_off(switch: Switch) -> String {
    if switch.is_on() { "on" } else { "off" }.to_owned()
}

/// Returns the word for whether an allow list is in force.
pub fn allow_list_state(switch: Switch) -> &'static str {
    if switch.is_on() {
        "enabled"
    } else {
        "disabled"
    }
}
