//! OpenID Connect providers of accounts.

use serde_json::json;

use crate::domain::identity::{OidcAlgorithm, OidcProvider, OidcProviderChange};
use crate::domain::ids::AccountId;
use crate::domain::operator::OperatorPermission;
use crate::domain::secret::Secret;
use crate::domain::url::HttpUrl;
use crate::domain::{Error, Noun, Result};
use crate::service::call::Call;
use crate::service::identity::Identity;
use crate::service::ledger::actions::AuditAction;
use crate::service::limits::attempt::Attempt;
use crate::token::{JwkSet, MAX_PROVIDER_NAME, WebIdentity};
use crate::{remote, store};

/// The bytes of an issuer.
const MAX_ISSUER_BYTES: usize = 255;
/// The bytes of an audience.
const MAX_AUDIENCE_BYTES: usize = 255;
/// The audiences of a provider: Alibaba's limit.
const MAX_AUDIENCES: usize = 50;

/// A provider to be made.
#[derive(Clone, Debug)]
pub struct NewOidcProvider {
    /// The account that owns it.
    pub account: AccountId,
    /// Its name, unique among the account's providers.
    pub name: String,
    /// The issuer, exactly as its tokens say it.
    pub issuer: String,
    /// The audiences of which a token must have one.
    pub audiences: Vec<String>,
    /// The issuer's keys as a JWK set; without it they are fetched from the issuer.
    pub jwks: Option<String>,
    /// The algorithms of which one must have signed a token; none means all that are known.
    pub algorithms: Vec<OidcAlgorithm>,
}

impl Identity {
    /// Makes a provider. The issuer isn't asked yet, since it may be started later.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `InvalidParameter` for a value that
    /// isn't allowed; those of the store.
    pub async fn create_oidc_provider(
        &self,
        call: &Call<'_>,
        new: NewOidcProvider,
    ) -> Result<OidcProvider> {
        call.caller
            .require(OperatorPermission::OidcProviderCreate, Some(new.account))?;
        check_provider_name(&new.name)?;
        check_issuer(&self.access.remote, &new.issuer, new.jwks.is_some())?;
        check_audiences(&new.audiences)?;
        let mut algorithms = new.algorithms;
        if algorithms.is_empty() {
            algorithms = OidcAlgorithm::ALL.to_vec();
        }
        if let Some(jwks) = &new.jwks {
            check_keys(jwks, &algorithms, "jwks")?;
        }
        let provider = OidcProvider {
            account: new.account,
            name: new.name,
            issuer: new.issuer,
            audiences: new.audiences,
            jwks: new.jwks,
            algorithms,
            created_at: call.now,
        };
        let detail = json!({
            "account": provider.account.to_string(),
            "oidc_provider": provider.name,
            "issuer": provider.issuer,
        });
        let event = call
            .event_in(provider.account, AuditAction::OidcProviderCreate)
            .detail(detail);
        self.ledger
            .change(store::oidc_provider::insert(&provider), event)
            .await?;
        Ok(provider)
    }

    /// Returns a provider of an account.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `NotFound`; those of the store.
    pub async fn oidc_provider(
        &self,
        call: &Call<'_>,
        account: AccountId,
        name: &str,
    ) -> Result<OidcProvider> {
        call.caller
            .require(OperatorPermission::OidcProviderRead, Some(account))?;
        store::oidc_provider::find(&self.base.store, account, name)
            .await?
            .ok_or_else(|| Error::not_found(Noun::OidcProvider, name))
    }

    /// Changes a provider; the sessions that its tokens opened go on. Returns it as it is now.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `NotFound`; `InvalidParameter` for a
    /// value that isn't allowed; those of the store.
    pub async fn update_oidc_provider(
        &self,
        call: &Call<'_>,
        account: AccountId,
        name: &str,
        change: OidcProviderChange,
    ) -> Result<OidcProvider> {
        call.caller
            .require(OperatorPermission::OidcProviderUpdate, Some(account))?;
        if let Some(audiences) = &change.audiences {
            check_audiences(audiences)?;
        }
        let mut provider = self.oidc_provider(call, account, name).await?;
        let algorithms = change.algorithms.as_ref().unwrap_or(&provider.algorithms);
        match (&change.jwks, &provider.jwks) {
            (Some(new), _) => check_keys(new, algorithms, "jwks")?,
            (None, Some(kept)) => check_keys(kept, algorithms, "algorithm")?,
            (None, None) => {}
        }
        let event = call
            .event_in(account, AuditAction::OidcProviderUpdate)
            .detail(json!({
                "account": account.to_string(),
                "oidc_provider": name,
                "keys": change.jwks.is_some(),
                "audiences": change.audiences,
                "algorithms": change.algorithms.as_ref().map(|all| names(all)),
            }));
        let update = store::oidc_provider::update(&provider, &change);
        self.ledger.change(update, event).await?;
        provider.jwks = change.jwks.or(provider.jwks);
        provider.audiences = change.audiences.unwrap_or(provider.audiences);
        provider.algorithms = change.algorithms.unwrap_or(provider.algorithms);
        Ok(provider)
    }

    /// Lists the providers of an account.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; those of the store.
    pub async fn oidc_providers(
        &self,
        call: &Call<'_>,
        account: AccountId,
    ) -> Result<Vec<OidcProvider>> {
        call.caller
            .require(OperatorPermission::OidcProviderRead, Some(account))?;
        store::oidc_provider::list(&self.base.store, account).await
    }

    /// Deletes a provider, whose tokens are refused from then on.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `NotFound` for an unknown provider;
    /// those of the store.
    pub async fn delete_oidc_provider(
        &self,
        call: &Call<'_>,
        account: AccountId,
        name: &str,
    ) -> Result<()> {
        call.caller
            .require(OperatorPermission::OidcProviderDelete, Some(account))?;
        let detail = json!({ "account": account.to_string(), "oidc_provider": name });
        let event = call
            .event_in(account, AuditAction::OidcProviderDelete)
            .detail(detail);
        self.ledger
            .change(store::oidc_provider::delete(account, name), event)
            .await
    }

    /// Verifies a token for the operator, and returns its claims.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; those of
    /// [`Access::verify_web_identity`](crate::service::access::Access::verify_web_identity).
    pub async fn check_web_identity(
        &self,
        call: &Call<'_>,
        account: AccountId,
        provider: &str,
        token: &Secret,
    ) -> Result<WebIdentity> {
        call.caller
            .require(OperatorPermission::OidcProviderRead, Some(account))?;
        self.access
            .verify_web_identity(account, provider, token, &mut Attempt::new(None))
            .await
            .map(|(_, identity)| identity)
    }
}

fn names(algorithms: &[OidcAlgorithm]) -> Vec<&'static str> {
    algorithms.iter().map(|one| one.name()).collect()
}

/// Checks that a JWK set has a key for one of these algorithms; `parameter` is the one that a
/// refusal names.
fn check_keys(jwks: &str, algorithms: &[OidcAlgorithm], parameter: &str) -> Result<()> {
    if JwkSet::parse(jwks)?.has_key_for(algorithms) {
        return Ok(());
    }
    let why = "the JWK set holds no key that can sign tokens with the provider's algorithms";
    Err(Error::invalid_parameter(parameter, why))
}

/// Checks a provider's name, which is part of its ARN at both clouds.
///
/// # Errors
/// `InvalidParameter`.
pub(in crate::service) fn check_provider_name(name: &str) -> Result<()> {
    let letters = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if letters && (1..=MAX_PROVIDER_NAME).contains(&name.len()) {
        return Ok(());
    }
    Err(Error::invalid_parameter(
        "name",
        format!("a provider's name has 1 to {MAX_PROVIDER_NAME} letters, digits, '-', '_' or '.'"),
    ))
}

/// Checks an issuer (OpenID Connect Core, 2). Its address doesn't matter when its keys are given.
///
/// # Errors
/// `InvalidParameter`.
pub(in crate::service) fn check_issuer(
    remote: &remote::Client,
    issuer: &str,
    keys_are_given: bool,
) -> Result<()> {
    let refuse = |why: &str| Error::invalid_parameter("issuer", why);
    if issuer.len() > MAX_ISSUER_BYTES {
        return Err(refuse(
            "an issuer is a URL of at most 255 ASCII characters, such as \
             https://issuer.example.com",
        ));
    }
    // The reader refuses the spaces and line ends that other readers forgive, since tokens are
    // compared with the text. It takes `//` in a path, which some issuers have.
    HttpUrl::parse(issuer)
        .map_err(|fault| refuse(&fault.explain("the issuer", "https://issuer.example.com")))?;
    let checked = if keys_are_given {
        remote.read_url(issuer)
    } else {
        remote.check_url(issuer)
    };
    checked
        .map(drop)
        .map_err(|failure| refuse(&format!("the issuer {failure}")))
}

/// Checks the number and the form of audiences.
///
/// # Errors
/// `InvalidParameter`.
pub(in crate::service) fn check_audiences(audiences: &[String]) -> Result<()> {
    let well_formed = |audience: &String| {
        (1..=MAX_AUDIENCE_BYTES).contains(&audience.len())
            && !audience
                .chars()
                .any(|letter| letter.is_control() || letter.is_whitespace())
    };
    if (1..=MAX_AUDIENCES).contains(&audiences.len()) && audiences.iter().all(well_formed) {
        return Ok(());
    }
    let why = format!(
        "a provider has 1 to {MAX_AUDIENCES} audiences, each of 1 to {MAX_AUDIENCE_BYTES} bytes \
         without spaces"
    );
    Err(Error::invalid_parameter("audience", why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ErrorKind;

    /// Tells whether a value is allowed; a refusal is `InvalidParameter`.
    #[track_caller]
    fn is_allowed(checked: Result<()>) -> bool {
        let Err(error) = checked else { return true };
        let kind = error.kind();
        assert!(
            matches!(kind, ErrorKind::InvalidParameter { .. }),
            "{kind:?}"
        );
        false
    }

    #[test]
    fn names_issuers_and_audiences_keep_to_their_rules() {
        for (name, good) in [
            ("actions", true),
            ("a.b-c_D9", true),
            ("", false),
            ("a/b", false),
            ("a b", false),
            (&"a".repeat(129), false),
        ] {
            assert_eq!(is_allowed(check_provider_name(name)), good, "{name:?}");
        }
        let remote = remote::Client::new(remote::Settings::default());
        for (issuer, fetched, given) in [
            ("https://token.actions.example.com", true, true),
            ("https://issuer.example.com/realms/a/", true, true),
            ("https://10.0.0.1:6443", false, true),
            ("http://issuer.example.com", false, false),
            ("https://issuer.example.com?a=b", false, false),
            ("https://issuer.example.com#a", false, false),
            ("https://issuer.example.com\n", false, false),
            ("https://ïssuer.example.com", false, false),
            ("issuer.example.com", false, false),
            ("", false, false),
        ] {
            assert_eq!(
                is_allowed(check_issuer(&remote, issuer, false)),
                fetched,
                "{issuer:?}"
            );
            assert_eq!(
                is_allowed(check_issuer(&remote, issuer, true)),
                given,
                "{issuer:?} with its keys"
            );
        }
        let audiences = |list: &[&str]| {
            let list: Vec<String> = list.iter().map(|one| (*one).to_owned()).collect();
            is_allowed(check_audiences(&list))
        };
        assert!(audiences(&["sts.example.com"]) && audiences(&["a"; 50]));
        assert!(
            !audiences(&[]) && !audiences(&[""]) && !audiences(&["a b"]) && !audiences(&["a"; 51])
        );
    }
}
