//! Bringing the schema up to date, by whichever replica comes first.
//!
//! Statements have no names here, so that a pooler that gives each transaction another session does
//! as well.

use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use tokio::time::sleep;
use tokio_postgres::error::SqlState;

use super::WITHOUT_TIMEOUT;
use super::connect::LOCK_TIMEOUT;
use super::error::failure;
use super::values::typed;
use crate::domain::clock::{Clock, Random, random_bytes};
use crate::domain::{Error, Result};
use crate::store::migrate::{self, Applied, Migration, Purpose};

/// How often to try to make the tables that come before all steps.
const ATTEMPTS: u32 = 10;
/// The lease on changing the schema: one row, so that replicas started together don't all try.
const CREATE_LEASE: &str = "CREATE TABLE IF NOT EXISTS schema_lease \
                            (id BIGINT NOT NULL PRIMARY KEY, holder TEXT NOT NULL, expires_at \
                            BIGINT NOT NULL)";
const TAKE_LEASE: &str = "INSERT INTO schema_lease (id, holder, expires_at) VALUES (1, $1, $2) ON \
                          CONFLICT (id) DO UPDATE \
                          SET holder = excluded.holder, expires_at = excluded.expires_at WHERE \
                          schema_lease.expires_at < $3";
const KEEP_LEASE: &str = "UPDATE schema_lease SET expires_at = $2 WHERE id = 1 AND holder = $1";
/// How long a replica that died in the middle keeps the others waiting.
const LEASE_TTL: Duration = Duration::from_secs(60);
/// How often to ask for the lease, and how many times: longer than it can be held by the dead.
const LEASE_POLL: Duration = Duration::from_millis(200);
const LEASE_POLLS: u32 = 450;

/// Takes the steps of the schema that are missing, each in its transaction; `place` names the
/// database in errors.
pub(super) async fn bring_up_to_date(
    client: &mut ClientWrapper,
    known: &'static [Migration],
    purpose: Purpose,
    place: &str,
    clock: &dyn Clock,
    random: &dyn Random,
) -> Result<()> {
    let pending = |applied: &[Applied]| {
        migrate::pending(known, |step| step.postgres, applied, purpose, place)
    };
    if pending(&applied(client).await?)?.is_empty() {
        return Ok(());
    }
    create_lease(client).await?;
    let holder = format!("{:032x}", u128::from_be_bytes(random_bytes(random)));
    for _ in 0..LEASE_POLLS {
        let now = clock.now();
        match client
            .execute_typed(
                TAKE_LEASE,
                &typed(&[
                    holder.as_str().into(),
                    now.plus(LEASE_TTL).into(),
                    now.into(),
                ]),
            )
            .await
        {
            Ok(0) => {}
            Ok(_) => {
                let taken = take_steps(client, pending, &holder, clock).await;
                let released = client
                    .execute_typed(KEEP_LEASE, &typed(&[holder.as_str().into(), 0.into()]))
                    .await
                    .map_err(setup_failure);
                return taken.and(released.map(drop));
            }
            // The holder is inside a step, which keeps the row.
            Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {}
            Err(error) => return Err(setup_failure(error)),
        }
        sleep(LEASE_POLL).await;
    }
    Err(Error::store_unavailable(
        "another replica holds the lease on the schema",
    ))
}

/// Makes the two tables that come before all steps.
async fn create_lease(client: &ClientWrapper) -> Result<()> {
    let text = format!("{CREATE_LEASE}; {}", migrate::CREATE_VERSION);
    for _ in 0..ATTEMPTS {
        match client.batch_execute(&text).await {
            Ok(()) => return Ok(()),
            // Of two that make one table at the same moment, PostgreSQL lets one trip over a system
            // table in spite of IF NOT EXISTS: seen were both the unique index and "type already
            // exists".
            Err(error)
                if matches!(
                    error.code(),
                    Some(
                        &SqlState::UNIQUE_VIOLATION
                            | &SqlState::DUPLICATE_TABLE
                            | &SqlState::DUPLICATE_OBJECT
                    )
                ) =>
            {
                sleep(LEASE_POLL).await;
            }
            Err(error) => return Err(setup_failure(error)),
        }
    }
    Err(Error::store_unavailable(
        "other replicas kept making the same tables",
    ))
}

/// Takes the missing steps, as the lease's holder.
async fn take_steps(
    client: &mut ClientWrapper,
    pending: impl Fn(&[Applied]) -> Result<&'static [Migration]>,
    holder: &str,
    clock: &dyn Clock,
) -> Result<()> {
    // Read again: the previous holder of the lease may have taken them.
    for step in pending(&applied(client).await?)? {
        let now = clock.now();
        take_step(
            client,
            step,
            holder,
            now.plus(LEASE_TTL).unix_millis(),
            now.unix_millis(),
        )
        .await?;
    }
    Ok(())
}

async fn take_step(
    client: &mut ClientWrapper,
    step: &Migration,
    holder: &str,
    expires_at: i64,
    now: i64,
) -> Result<()> {
    let transaction = client.transaction().await.map_err(setup_failure)?;
    // A step takes as long as there is data, but doesn't wait long for others: they would wait
    // behind it.
    let limits = format!("{WITHOUT_TIMEOUT}; SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'");
    transaction
        .batch_execute(&limits)
        .await
        .map_err(setup_failure)?;
    // This keeps the lease's row until the commit: even one whose clock runs ahead can't take it
    // meanwhile.
    if transaction
        .execute_typed(KEEP_LEASE, &typed(&[holder.into(), expires_at.into()]))
        .await
        .map_err(setup_failure)?
        != 1
    {
        return Err(Error::store_unavailable(
            "another replica took the lease on the schema",
        ));
    }
    transaction
        .batch_execute(step.postgres)
        .await
        .map_err(setup_failure)?;
    let version = [
        step.number.into(),
        step.name.into(),
        migrate::checksum(step.postgres).into(),
        now.into(),
    ];
    transaction
        .execute_typed(migrate::ADD_VERSION, &typed(&version))
        .await
        .map_err(setup_failure)?;
    transaction.commit().await.map_err(setup_failure)
}

async fn applied(client: &ClientWrapper) -> Result<Vec<Applied>> {
    match client.query_typed(migrate::READ_VERSION, &[]).await {
        Ok(rows) => rows
            .iter()
            .map(|row| {
                Ok(Applied {
                    number: row.try_get(0)?,
                    name: row.try_get(1)?,
                    checksum: row.try_get(2)?,
                })
            })
            .collect::<Result<_, tokio_postgres::Error>>()
            .map_err(Error::internal),
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => Ok(Vec::new()),
        Err(error) => Err(failure(error)),
    }
}

fn setup_failure(error: tokio_postgres::Error) -> Error {
    if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) {
        let why = "the database user may not create tables; give it a database of its own, or \
                   CREATE on the schema";
        return Error::misconfigured(why).caused_by(error);
    }
    failure(error)
}
