//! Durable creation: long-term credentials, issued by Tencent's API to 64 clients at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use transire::client::signed;
use transire::domain::clock::{Clock, SystemClock, SystemRandom, random_text};
use transire::sign::Signer;

use crate::connection::{Connection, Expected};
use crate::data::{self, Owner};
use crate::server::Server;
use crate::{Bench, Outcome, Result};

const HOST: &str = "transire.example.com";
/// How many clients there are, each with one request at a time.
const CLIENTS: usize = 64;
/// How many are created at each instance.
const OF_INSTANCE: usize = 950;
/// How many credentials a full instance has before; the quota is 10,000.
const BEFORE: u64 = 9000;
/// How many instances of each kind there are.
const INSTANCES: usize = 8;

/// Compares creation with the same rows in transactions of as many as there are clients.
pub(crate) fn beside_raw(bench: &Bench) -> Result<Outcome> {
    let owner = owner(bench, 2 * INSTANCES)?;
    let server = bench.serve()?;
    let mut connection = data::open(&bench.folder)?;
    let (mut ours, mut raw, mut number) = (0.0, 0.0, first_number());
    // In turns, so that whatever else the machine does falls on both.
    for place in 0..owner.instances.len() {
        ours += create(bench, &server, &owner, place)?;
        let begin = Instant::now();
        let numbers = number..number + OF_INSTANCE as u64;
        number = numbers.end;
        data::add_credentials(
            &mut connection,
            &data::instance_id(place as u64),
            numbers,
            CLIENTS,
        )?;
        raw += begin.elapsed().as_secs_f64();
    }
    let count = (OF_INSTANCE * owner.instances.len()) as f64;
    let ratio = raw / ours;
    Ok(Outcome {
        figure: format!(
            "{:.0} a second, {ratio:.2} of the rows alone ({:.0})",
            count / ours,
            count / raw
        ),
        goal: "0.5 of the rows alone",
        is_reached: ratio >= 0.5,
    })
}

/// Compares creation at instances that have many credentials with that at empty ones.
pub(crate) fn at_full_instances(bench: &Bench) -> Result<Outcome> {
    let owner = owner(bench, 2 * INSTANCES)?;
    let mut connection = data::open(&bench.folder)?;
    let mut number = first_number();
    for instance in owner.instances.iter().skip(1).step_by(2) {
        let numbers = number..number + BEFORE;
        number = numbers.end;
        data::add_credentials(&mut connection, instance.id.as_str(), numbers, 1000)?;
    }
    let server = bench.serve()?;
    let mut times = [0.0; 2];
    for place in 0..owner.instances.len() {
        times[place % 2] += create(bench, &server, &owner, place)?;
    }
    let [empty, full] = times.map(|time| (OF_INSTANCE * INSTANCES) as f64 / time);
    Ok(Outcome {
        figure: format!(
            "{full:.0} a second with {BEFORE} there, {:.2} of {empty:.0} with none",
            full / empty
        ),
        goal: "0.95 of the rate with none",
        is_reached: full / empty >= 0.95,
    })
}

/// Returns the number of the first row that is added as it is: a later call's rows have others.
fn first_number() -> u64 {
    SystemClock.now().unix_millis() as u64 * 1000
}

fn owner(bench: &Bench, instances: usize) -> Result<Owner> {
    let name = format!("own-{}", random_text(&SystemRandom, b"abcdefgh", 8));
    bench
        .runtime
        .block_on(data::owner(&bench.folder, &name, instances))
}

/// Creates credentials at an instance, and returns the seconds that it took.
fn create(bench: &Bench, server: &Server, owner: &Owner, place: usize) -> Result<f64> {
    let requests: Vec<Vec<u8>> = (0..OF_INSTANCE)
        .map(|_| request(owner, place))
        .collect::<Result<_>>()?;
    let (requests, next) = (Arc::new(requests), Arc::new(AtomicUsize::new(0)));
    bench.runtime.block_on(async {
        let mut open = Vec::new();
        for _ in 0..CLIENTS {
            open.push(Connection::open(server.address).await?);
        }
        let begin = Instant::now();
        let working: Vec<_> = open
            .into_iter()
            .map(|mut connection| {
                let (requests, next) = (Arc::clone(&requests), Arc::clone(&next));
                tokio::spawn(async move {
                    while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                        connection
                            .send(request, Expected::Body(r#""Token":"trsl_"#))
                            .await?;
                    }
                    Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
                })
            })
            .collect();
        for client in working {
            client.await??;
        }
        Ok(begin.elapsed().as_secs_f64())
    })
}

/// Signs a `CreateInstanceToken` that no other is like.
fn request(owner: &Owner, place: usize) -> Result<Vec<u8>> {
    let registry = owner.instances[place].id.as_str();
    let description = random_text(&SystemRandom, b"0123456789abcdef", 16);
    let body = format!(
        r#"{{"RegistryId": "{registry}", "TokenType": "longterm", "Desc": "{description}"}}"#
    );
    let signer = Signer {
        access_key_id: &owner.access_key_id,
        secret: &owner.secret,
        session_token: None,
    };
    let operation = signed::Operation::CREATE_INSTANCE_TOKEN;
    let request = signed::tencent(
        operation,
        HOST,
        body.into_bytes(),
        &signer,
        SystemClock.now(),
    )?;
    let mut text = format!("POST {} HTTP/1.1\r\nhost: {HOST}\r\n", request.target);
    for (name, value) in &request.headers {
        text += &format!("{name}: {}\r\n", value.to_str()?);
    }
    text += &format!("content-length: {}\r\n\r\n", request.body.len());
    Ok([text.as_bytes(), &request.body].concat())
}
