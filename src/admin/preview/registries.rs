//! The consequences of operations on instances, and on what logs in there.

use super::principals::tokens_last;
use super::{Asked, last_use, say, sentences};
use crate::admin::credentials::{DeleteCredential, ListCredentials, ShowCredential};
use crate::admin::instances::DeleteInstance;
use crate::admin::listing::Listing;
use crate::admin::namespaces::{DeleteNamespace, ListNamespaces};
use crate::admin::operation::Operation;
use crate::admin::operators::{RotateOperator, ShowOperator};
use crate::admin::repositories::{ApplyLifecycle, ListRepositories};
use crate::admin::rotation::{RotateCredential, RotateServiceAccount};
use crate::admin::service_accounts::{
    DeleteServiceAccount, ListServiceAccounts, ShowServiceAccount,
};
use crate::admin::text::TimeText;
use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::views::Consequence;

/// Returns the consequences of an operation on instances; none for another operation.
///
/// # Errors
/// Those of the use cases that show them.
pub(super) async fn foresee(asked: &Asked<'_>, operation: &str) -> Result<Vec<Consequence>> {
    let (service, call) = (asked.service, asked.call);
    Ok(match operation {
        "DeleteCredential" | "DisableCredential" => {
            let DeleteCredential { instance, id } = asked.fields()?;
            let shown = ShowCredential { instance, id }.run(service, call).await?;
            refused(asked, shown.last_used_at)
        }
        "DeleteServiceAccount" | "DisableServiceAccount" => {
            let DeleteServiceAccount { instance, name } = asked.fields()?;
            let shown = ShowServiceAccount { instance, name };
            refused(asked, shown.run(service, call).await?.last_used_at)
        }
        "RotateCredential" => {
            let one: RotateCredential = asked.fields()?;
            let (instance, id) = (one.instance, one.id);
            let shown = ShowCredential { instance, id }.run(service, call).await?;
            rotated(asked, &one.grace, shown.older_secret_ends_at)
        }
        "RotateServiceAccount" => {
            let one: RotateServiceAccount = asked.fields()?;
            let (instance, name) = (one.instance, one.name);
            let shown = ShowServiceAccount { instance, name };
            let shown = shown.run(service, call).await?;
            rotated(asked, &one.grace, shown.older_secret_ends_at)
        }
        "RotateOperator" => {
            let one: RotateOperator = asked.fields()?;
            let shown = ShowOperator { name: one.name }.run(service, call).await?;
            rotated(asked, &one.grace, shown.older_token_ends_at)
        }
        "DeleteInstance" => instance(asked).await?,
        "DeleteNamespace" => namespace(asked).await?,
        "ApplyLifecycle" => lifecycle(asked).await?,
        _ => Vec::new(),
    })
}

fn refused(asked: &Asked<'_>, last_used_at: Option<String>) -> Vec<Consequence> {
    vec![
        say(sentences::LOG_INS_REFUSED, []),
        tokens_last(asked),
        last_use(last_used_at),
    ]
}

fn rotated(asked: &Asked<'_>, grace: &TimeText, older: Option<String>) -> Vec<Consequence> {
    let (now, grace) = (asked.call.now, grace.duration());
    let mut said = vec![if grace.is_zero() {
        say(sentences::SECRET_ENDS, [])
    } else {
        say(sentences::SECRET_GRACE, [now.plus(grace).rfc3339()])
    }];
    let older = older.filter(|at| Timestamp::parse_rfc3339(at).is_some_and(|at| now < at));
    said.extend(older.map(|at| say(sentences::OLDER_ENDS, [at])));
    said
}

async fn instance(asked: &Asked<'_>) -> Result<Vec<Consequence>> {
    let (service, call) = (asked.service, asked.call);
    let DeleteInstance {
        instance,
        with_contents,
    } = asked.fields()?;
    let namespaces = ListNamespaces {
        instance: instance.clone(),
    };
    let credentials = ListCredentials {
        instance: instance.clone(),
    };
    let accounts = ListServiceAccounts { instance };
    let counts = [
        namespaces.all(service, call).await?.len(),
        credentials.all(service, call).await?.len(),
        accounts.all(service, call).await?.len(),
    ];
    let is_empty = counts == [0; 3];
    let mut said = vec![
        say(sentences::INSTANCE_DELETED, []),
        say(
            sentences::INSTANCE_CONTENTS,
            counts.map(|count| count.to_string()),
        ),
    ];
    if !is_empty && !with_contents {
        said.push(say(sentences::INSTANCE_KEPT, []));
    }
    said.push(tokens_last(asked));
    Ok(said)
}

async fn namespace(asked: &Asked<'_>) -> Result<Vec<Consequence>> {
    let DeleteNamespace { instance, name, .. } = asked.fields()?;
    let list = ListRepositories {
        instance,
        namespace: Some(name),
    };
    let repositories = list.all(asked.service, asked.call).await?.len();
    Ok(vec![
        say(sentences::NAMESPACE_CONTENTS, [repositories.to_string()]),
        say(sentences::NAMESPACE_FORGOTTEN, []),
    ])
}

async fn lifecycle(asked: &Asked<'_>) -> Result<Vec<Consequence>> {
    let mut run: ApplyLifecycle = asked.fields()?;
    if run.dry_run {
        return Ok(Vec::new());
    }
    run.dry_run = true;
    let images = run.run(asked.service, asked.call).await?.images.len();
    Ok(vec![say(sentences::LIFECYCLE_RUN, [images.to_string()])])
}
