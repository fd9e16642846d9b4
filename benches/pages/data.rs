//! Accounts, instances and credentials, made through the service itself.

use std::path::Path;
use std::sync::Arc;

use tokio::task::JoinSet;
use transire::config::Settings;
use transire::domain::clock::{SystemRandom, random_text};
use transire::domain::ids::AccountId;
use transire::domain::instance::Instance;
use transire::domain::operator::OperatorRole;
use transire::service::{Caller, InstanceChoice, NewInstance, RequestContext, Service};
use transire::store::Open;

/// How many accounts there are, besides the first, which has half of all instances.
const ACCOUNTS: usize = 100;
/// How many credentials the first instance has: as many as it may.
const CREDENTIALS_OF_FIRST: usize = 10_000;
/// How many things are made at once: writes that wait together share an fsync.
const AT_ONCE: usize = 256;

async fn open(folder: &Path) -> Arc<Service> {
    let settings = Settings {
        data_dir: folder.to_owned(),
        ..Settings::default()
    };
    Arc::new(transire::open::open(&settings, Open::Serve).await.unwrap())
}

/// Makes an operator, and returns its token.
pub(crate) async fn operator(folder: &Path) -> String {
    let service = open(folder).await;
    let (caller, context) = (
        Caller::operator(),
        RequestContext::operator(service.base.request_id()),
    );
    let name = format!("bench-{}", random_text(&SystemRandom, b"abcdefgh", 8));
    let call = service.call(&caller, &context);
    let made = service
        .identity
        .create_operator(&call, &name, OperatorRole::Admin);
    let (_, token) = made.await.unwrap();
    service.ledger.close().await;
    token.expose().to_owned()
}

/// Makes the instances and the credentials.
pub(crate) async fn fill(folder: &Path, instances: usize, credentials: usize) {
    let service = open(folder).await;
    let caller = Caller::operator();
    let context = RequestContext::operator(service.base.request_id());
    for number in 0..=ACCOUNTS {
        let call = service.call(&caller, &context);
        let name = format!("tenant-{number}");
        let made = service
            .identity
            .create_account(&call, Some(account(number)), &name, None);
        made.await.unwrap();
    }
    let made = at_once(0..instances, |number| {
        let service = Arc::clone(&service);
        async move { instance(&service, number, instances).await }
    });
    let mut made = made.await;
    made.sort_by(|one, other| one.name.cmp(&other.name));
    let made = Arc::new(made);
    at_once(0..credentials, |number| {
        let (service, made) = (Arc::clone(&service), Arc::clone(&made));
        async move { credential(&service, &made, number).await }
    })
    .await;
    service.ledger.close().await;
}

fn account(number: usize) -> AccountId {
    AccountId::new(100_000_000_001 + i64::try_from(number).unwrap()).unwrap()
}

async fn instance(service: &Service, number: usize, of: usize) -> Instance {
    let (caller, context) = (
        Caller::operator(),
        RequestContext::operator(service.base.request_id()),
    );
    let owner = if number < of / 2 {
        0
    } else {
        1 + number % ACCOUNTS
    };
    let name = format!("instance-{number}");
    let host = format!("registry-{number}.example.com");
    let new = NewInstance::named(account(owner), &name, "ap-guangzhou", host);
    let call = service.call(&caller, &context);
    service.registry.create_instance(&call, new).await.unwrap()
}

async fn credential(service: &Service, instances: &[Instance], number: usize) {
    let (caller, context) = (
        Caller::operator(),
        RequestContext::operator(service.base.request_id()),
    );
    let beyond = number.checked_sub(CREDENTIALS_OF_FIRST);
    let place = beyond.map_or(0, |number| 1 + number % (instances.len() - 1));
    let choice = InstanceChoice::Tcr(instances[place].id.clone());
    let call = service.call(&caller, &context);
    let made = service
        .credentials
        .create_credential(&call, &choice, None, "a build farm");
    made.await.unwrap();
}

/// Does something for each number, some at once.
async fn at_once<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    numbers: std::ops::Range<usize>,
    task: impl Fn(usize) -> F,
) -> Vec<T> {
    let (mut running, mut done) = (JoinSet::new(), Vec::new());
    for number in numbers {
        if running.len() == AT_ONCE {
            done.push(running.join_next().await.unwrap().unwrap());
        }
        running.spawn(task(number));
    }
    done.extend(running.join_all().await);
    done
}
