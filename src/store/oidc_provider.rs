//! OpenID Connect issuers that roles may trust.

use std::str::FromStr;

use crate::domain::identity::{OidcAlgorithm, OidcProvider, OidcProviderChange};
use crate::domain::ids::AccountId;
use crate::domain::{Error, Noun, Result};

use super::nouns::Entity;
use super::part::{Guarded, Part, Rows};
use super::row::{Row, statements};
use super::{Store, account};

/// The columns of a provider, a row for each of its audiences.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT oidc_provider.name AS name, oidc_provider.account_id AS account_id, \
             oidc_provider.issuer AS issuer, \
             oidc_provider.jwks AS jwks, oidc_provider.algorithms AS algorithms, \
             oidc_provider.created_at AS created_at, oidc_audience.audience AS audience \
             FROM oidc_provider LEFT JOIN oidc_audience ON oidc_audience.account_id = \
             oidc_provider.account_id \
             AND oidc_audience.provider_name = oidc_provider.name WHERE oidc_provider.account_id = \
             $1 ",
            $rest,
            "ORDER BY oidc_provider.created_at, oidc_provider.name, oidc_audience.place"
        )
    };
}

statements! {
    "oidc_provider" {
        INSERT = "INSERT INTO oidc_provider (account_id, name, issuer, jwks, algorithms, \
                  created_at) VALUES ($1, $2, $3, $4, $5, $6)";
        FIND = select!("AND oidc_provider.name = $2 ");
        LIST = select!("");
        // The issuer is compared: a provider that was made again meanwhile isn't the one meant.
        UPDATE = "UPDATE oidc_provider SET jwks = COALESCE($4, jwks), \
                  algorithms = COALESCE($5, algorithms) \
                  WHERE account_id = $1 AND name = $2 AND issuer = $3";
        DELETE = "DELETE FROM oidc_provider WHERE account_id = $1 AND name = $2";
    }
    "oidc_audience" {
        INSERT_AUDIENCE = "INSERT INTO oidc_audience (account_id, provider_name, place, audience) \
                           VALUES ($1, $2, $3, $4)";
        DELETE_AUDIENCES = "DELETE FROM oidc_audience WHERE account_id = $1 AND provider_name = $2";
    }
}

/// Adds a provider; `NotFound` without its account, `AlreadyExists` when the account has that name
/// already.
pub fn insert(provider: &OidcProvider) -> Part {
    let (account, name) = (provider.account, provider.name.clone());
    let parameters = vec![
        account.number().into(),
        name.as_str().into(),
        provider.issuer.as_str().into(),
        provider.jwks.as_deref().into(),
        written(&provider.algorithms).into(),
        provider.created_at.into(),
    ];
    let mut guarded = vec![account::hold(account)];
    guarded.push(Guarded::new(
        INSERT,
        parameters,
        Rows::Exactly(1),
        move || {
            Error::already_exists(
                Noun::OidcProvider,
                format!(
                    "Account {account} has an OIDC provider named {name} already; choose another \
                     name."
                ),
            )
        },
    ));
    guarded.extend(insert_audiences(
        account,
        &provider.name,
        &provider.audiences,
    ));
    Part::of(guarded).changes(Entity::OidcProvider, &thing_id(account, &provider.name))
}

fn insert_audiences(
    account: AccountId,
    name: &str,
    audiences: &[String],
) -> impl Iterator<Item = Guarded> {
    (0..).zip(audiences).map(move |(place, audience)| {
        let parameters = vec![
            account.number().into(),
            name.into(),
            i64::into(place),
            audience.as_str().into(),
        ];
        Guarded::unguarded(INSERT_AUDIENCE, parameters)
    })
}

/// Changes the provider that was `found`; `NotFound` when it is gone.
pub fn update(found: &OidcProvider, change: &OidcProviderChange) -> Part {
    let (account, name) = (found.account, found.name.as_str());
    let parameters = vec![
        account.number().into(),
        name.into(),
        found.issuer.as_str().into(),
        change.jwks.as_deref().into(),
        change.algorithms.as_deref().map(written).into(),
    ];
    let missing = name.to_owned();
    let update = Guarded::new(UPDATE, parameters, Rows::Exactly(1), move || {
        Error::not_found(Noun::OidcProvider, &missing)
    });
    let mut guarded = vec![account::hold(account), update];
    if let Some(audiences) = &change.audiences {
        let key = vec![account.number().into(), name.into()];
        guarded.push(Guarded::unguarded(DELETE_AUDIENCES, key));
        guarded.extend(insert_audiences(account, name, audiences));
    }
    Part::of(guarded).changes(Entity::OidcProvider, &thing_id(account, name))
}

/// Deletes a provider; `NotFound` when the account has no such provider.
pub fn delete(account: AccountId, name: &str) -> Part {
    let key = || vec![account.number().into(), name.into()];
    let missing = name.to_owned();
    let delete = Guarded::new(DELETE, key(), Rows::Exactly(1), move || {
        Error::not_found(Noun::OidcProvider, &missing)
    });
    let guarded = [
        account::hold(account),
        Guarded::unguarded(DELETE_AUDIENCES, key()),
        delete,
    ];
    Part::of(guarded).changes(Entity::OidcProvider, &thing_id(account, name))
}

/// Algorithms as a row has them: their names, divided by spaces.
struct Algorithms(Vec<OidcAlgorithm>);

fn written(algorithms: &[OidcAlgorithm]) -> String {
    algorithms
        .iter()
        .map(|algorithm| algorithm.name())
        .collect::<Vec<_>>()
        .join(" ")
}

impl FromStr for Algorithms {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.split_ascii_whitespace()
            .map(str::parse)
            .collect::<Result<_>>()
            .map(Self)
    }
}

/// Returns what the change feed calls a provider.
pub fn thing_id(account: AccountId, name: &str) -> String {
    format!("{account}/{name}")
}

/// Finds a provider of an account by its name.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn find(store: &Store, account: AccountId, name: &str) -> Result<Option<OidcProvider>> {
    Ok(providers(
        &store
            .query(FIND, vec![account.number().into(), name.into()])
            .await?,
    )?
    .pop())
}

/// Lists the providers of an account, oldest first.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list(store: &Store, account: AccountId) -> Result<Vec<OidcProvider>> {
    providers(&store.query(LIST, vec![account.number().into()]).await?)
}

/// Reads providers of one account out of rows in which those of one provider follow each other.
fn providers(rows: &[Row]) -> Result<Vec<OidcProvider>> {
    let mut providers: Vec<OidcProvider> = Vec::new();
    for row in rows {
        let (name, audience) = (row.text("name")?, row.optional_text("audience")?);
        match providers.last_mut() {
            Some(provider) if provider.name == name => provider.audiences.extend(audience),
            _ => providers.push(OidcProvider {
                account: account::id_in(row, "account_id")?,
                name,
                issuer: row.text("issuer")?,
                audiences: audience.into_iter().collect(),
                jwks: row.optional_text("jwks")?,
                algorithms: row.parsed::<Algorithms>("algorithms")?.0,
                created_at: row.time("created_at")?,
            }),
        }
    }
    Ok(providers)
}
