//! Readiness: the list of what is missing before the service can serve.

use crate::service::operations::Operations;

impl Operations {
    /// Returns what is missing before the service can serve; nothing when it is ready.
    pub async fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        // Anybody may ask this. So while the breaker probes the database, its answer is used, and
        // no query is made for each request.
        let guarded = self.base.store.is_guarded();
        if self.base.store.is_away() || !guarded && !self.base.store.is_healthy().await {
            missing.push("the database does not answer".to_owned());
        } else if self.memory.staleness.has_failed() {
            missing.push("what others changed can't be read".to_owned());
        }
        let fresh = if guarded {
            self.memory.is_fresh()
        } else {
            self.memory.require_fresh().await.is_ok()
        };
        if !fresh {
            let seconds = self.memory.staleness.age(&*self.base.clock).as_secs();
            missing.push(format!(
                "changes were last heard of {seconds} s ago, longer than \
                 max_staleness_seconds allows"
            ));
        }
        missing
    }

    /// Warns where tokens name another issuer than `public_url`, as when that was set after the
    /// store was.
    pub fn warn_of_issuer(&self) {
        if self.base.issuer != self.base.public_url {
            tracing::warn!(
                issuer = self.base.issuer,
                public_url = self.base.public_url,
                "tokens name the issuer that public_url was when this store was set up: registries \
                 must be configured with it, as `transire registry-config` writes it, or their \
                 instances given another: `transire instance update --issuer`"
            );
        }
    }

    /// Says that tokens name another issuer than `public_url`, to who configures a registry.
    pub fn doubt_of_issuer(&self) -> Option<String> {
        let (issuer, public_url) = (&self.base.issuer, &self.base.public_url);
        (issuer != public_url).then(|| {
            format!(
                "tokens name the issuer {issuer}, though public_url is {public_url}: it is what \
                 public_url was when this store was set up. The files have it; `transire instance \
                 update --issuer` gives an instance another"
            )
        })
    }
}
