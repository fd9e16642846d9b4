//! The service of a mock: a store in memory, its CA, and the published test set.

use std::net::SocketAddr;
use std::sync::Arc;

use super::{Mock, REGION};
use crate::config::Settings;
use crate::domain::access_key::NewAccessKey;
use crate::domain::clock::{Clock, MovableClock, SystemRandom, Timestamp};
use crate::domain::ids::AccountId;
use crate::domain::instance::{DefaultMark, Instance};
use crate::domain::{Error, Result, published};
use crate::open::service_settings;
use crate::service::{self, Caller, MasterKeys, NewInstance, RequestContext, Service};
use crate::store::{Location, Open, Store};
use crate::token::{Authority, MasterKey};

/// The published CA: everybody has its private key.
const CA: &[u8] = include_bytes!("published-ca.der");
const CA_KEY: &[u8] = include_bytes!("published-ca-key.der");
/// Below this domain are the services of instances that an API makes.
const BASE_DOMAIN: &str = "registry.localhost";
/// How long a request may wait for a processor, in milliseconds: a machine that runs tests is busy.
const PATIENCE: u64 = 2000;

/// Returns the settings of a mock that listens at `address`.
pub(super) fn settings(settings: &Settings, options: &Mock, address: SocketAddr) -> Settings {
    let mut settings = settings.clone();
    settings.public_url = options.public_url.clone().unwrap_or_else(|| {
        if address.ip().to_canonical().is_loopback() || address.ip().is_unspecified() {
            format!("http://localhost:{}", address.port())
        } else {
            format!("http://{address}")
        }
    });
    settings
        .base_domain
        .get_or_insert_with(|| BASE_DOMAIN.to_owned());
    // A test's issuer is a program on the same machine.
    settings.outgoing.allow_http = true;
    settings.outgoing.allow_private_addresses = true;
    settings.limits.wait_milliseconds = settings.limits.wait_milliseconds.max(PATIENCE);
    settings
}

/// Opens the service over an empty store in memory.
pub(super) async fn service(
    settings: &Settings,
    options: &Mock,
    clock: Arc<MovableClock>,
) -> Result<Service> {
    let (random, now) = (Arc::new(SystemRandom), clock.now());
    let is_fixed = options.fixed_ca;
    // Meanwhile, because either takes some ten milliseconds: for its first key the cryptography
    // library measures the processor's jitter.
    let ca = tokio::task::spawn_blocking(move || authority(is_fixed, now));
    let store = Store::open(&Location::Memory, Open::Serve, &*clock, &*random).await?;
    let ca = ca.await.map_err(Error::internal)??;
    let master = MasterKeys::from(MasterKey::generate(&*random));
    service::set_up(&store, &master, &settings.public_url, ca, now, &*random).await?;
    let mut service_settings = service_settings(settings);
    if options.any_key {
        service_settings.signatures.stand_in = Some(published::TENCENT_KEY.id.to_owned());
    }
    Service::open(store, master, service_settings, clock, random).await
}

/// Makes a CA, or takes the published one.
fn authority(is_fixed: bool, now: Timestamp) -> Result<Authority> {
    if is_fixed {
        Authority::from_parts(CA_KEY, CA)
    } else {
        Authority::named(published::CA, now, &SystemRandom)
    }
}

/// Makes the published account, its keys and its instance, whose registry answers at `url`.
pub(super) async fn publish(service: &Service, url: Option<String>) -> Result<Instance> {
    let operator = Caller::operator();
    let context = RequestContext::operator(service.base.request_id());
    let call = service.call(&operator, &context);
    let account: AccountId = published::ACCOUNT.parse()?;
    service
        .identity
        .create_account(&call, Some(account), published::NAME, None)
        .await?;
    for known in published::KEYS {
        let key = NewAccessKey::given(known.id, known.secret)?;
        service
            .identity
            .add_access_key(&call, account, None, &key)
            .await?;
    }
    let new = NewInstance {
        default: DefaultMark::Marked,
        registry_url: url,
        ids: Some((
            published::INSTANCE.parse()?,
            published::INSTANCE_CRI.parse()?,
        )),
        ..NewInstance::named(account, published::NAME, REGION, published::SERVICE)
    };
    service.registry.create_instance(&call, new).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::certificates;

    #[test]
    fn the_published_ca_is_called_a_mocks_and_lasts() {
        let ca = Authority::from_parts(CA_KEY, CA).unwrap();
        assert_eq!(
            certificates::common_name(ca.certificate_der()),
            Some(published::CA)
        );
        assert!(ca.expires_at().rfc3339().as_str() > "2044");
    }
}
