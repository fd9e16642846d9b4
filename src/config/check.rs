//! Rules that a setting has besides its kind, and rules between settings.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::declare::{Declared, Entry};
use super::settings::Settings;
use super::sources::Fault;
use crate::domain::name;
use crate::domain::seconds::Seconds;
use crate::domain::sso::RoleRules;
use crate::domain::url::HttpUrl;
use crate::service::NoticeKind;
use crate::{http, sign};

/// The most times ahead of an end at which there is a notice.
const MAX_NOTICES_AHEAD: usize = 10;

/// Checks all that a setting's kind doesn't say.
///
/// # Errors
/// The first setting that breaks a rule.
pub(super) fn check(settings: &Settings) -> Result<(), Fault> {
    addresses(settings)?;
    methods(settings)?;
    files(settings)?;
    sso(settings)?;
    log_level(settings)?;
    notices(settings)?;
    checkpoints(settings)?;
    bounds(settings)
}

/// Checks URLs, domains and networks.
fn addresses(settings: &Settings) -> Result<(), Fault> {
    HttpUrl::parse_base(&settings.public_url).map_err(|fault| {
        Fault::said(
            "public_url",
            fault.explain("public_url", "https://credentials.example.com"),
        )
    })?;
    if settings
        .base_domain
        .as_deref()
        .is_some_and(|domain| name::check_base_domain(domain).is_err())
    {
        return Err(Fault::new(
            "base_domain",
            "is written like registry.example.com, perhaps with a port",
        ));
    }
    if let Some(bad) = settings
        .trusted_proxies
        .iter()
        .find(|network| network.parse::<http::Network>().is_err())
    {
        let allowed =
            format!("is of addresses, and networks such as 10.0.0.0/8, and {bad} is neither");
        return Err(Fault::new("trusted_proxies", allowed));
    }
    if let Some(endpoint) = &settings.telemetry.traces_endpoint {
        HttpUrl::parse_base(endpoint).map_err(|fault| {
            let example = "http://127.0.0.1:4318/v1/traces";
            let name = "telemetry.traces_endpoint";
            Fault::said(name, fault.explain(name, example))
        })?;
    }
    for origin in &settings.cors.origins {
        if let Err(why) = origin.parse::<http::Origin>() {
            return Err(Fault::said("cors.origins", format!("cors.origins: {why}")));
        }
    }
    Ok(())
}

/// Checks the names of signature methods.
fn methods(settings: &Settings) -> Result<(), Fault> {
    let known = sign::Method::ALL.map(|known| known.name());
    let unknown = settings
        .signatures
        .allow
        .iter()
        .flatten()
        .find(|method| !known.contains(&method.as_str()));
    match unknown {
        Some(unknown) => Err(Fault::new(
            "signatures.allow",
            format!("is of {}, and {unknown} is none of them", known.join(", ")),
        )),
        None => Ok(()),
    }
}

/// Checks that a certificate has a key, and a key a certificate.
fn files(settings: &Settings) -> Result<(), Fault> {
    let (set, missing) = match (&settings.tls.certificate_file, &settings.tls.key_file) {
        (None, Some(_)) => ("tls.key_file", "tls.certificate_file"),
        (Some(_), None) => ("tls.certificate_file", "tls.key_file"),
        (Some(_), Some(_)) | (None, None) => return Ok(()),
    };
    Err(Fault::new(
        set,
        format!("is set together with {missing}, or neither is"),
    ))
}

/// Checks the places of checkpoints.
fn checkpoints(settings: &Settings) -> Result<(), Fault> {
    if settings.checkpoints.webhook && settings.notices.webhook_url.is_none() {
        let allowed = "needs notices.webhook_url";
        return Err(Fault::new("checkpoints.webhook", allowed));
    }
    Ok(())
}

/// Checks single sign-on: the issuer, and the rules of roles.
fn sso(settings: &Settings) -> Result<(), Fault> {
    let sso = &settings.sso;
    let (set, missing) = match (&sso.issuer, &sso.client_id) {
        (None, Some(_)) => ("sso.client_id", "sso.issuer"),
        (Some(_), None) => ("sso.issuer", "sso.client_id"),
        (Some(_), Some(_)) | (None, None) => ("", ""),
    };
    if !set.is_empty() {
        let together = format!("is set together with {missing}, or neither is");
        return Err(Fault::new(set, together));
    }
    if let Some(issuer) = &sso.issuer {
        // An issuer is compared to the letter, and some end with a slash.
        let base = issuer.strip_suffix('/').unwrap_or(issuer);
        HttpUrl::parse_base(base).map_err(|fault| {
            let example = "https://issuer.example.com/realms/acme";
            Fault::said("sso.issuer", fault.explain("sso.issuer", example))
        })?;
    }
    let is_scope =
        |scope: &&String| !scope.is_empty() && scope.bytes().all(|byte| byte.is_ascii_graphic());
    if let Some(bad) = sso.scopes.iter().find(|scope| !is_scope(scope)) {
        let allowed = format!("is of scopes without spaces, and {bad:?} is none");
        return Err(Fault::new("sso.scopes", allowed));
    }
    RoleRules::parse(&sso.roles)
        .map(drop)
        .map_err(|error| Fault::said("sso.roles", format!("sso.roles: {}", error.message())))
}

/// Checks the times and the webhook of notices.
fn notices(settings: &Settings) -> Result<(), Fault> {
    let notices = &settings.notices;
    if notices.ahead.len() > MAX_NOTICES_AHEAD {
        let allowed = format!("has {MAX_NOTICES_AHEAD} times at most");
        return Err(Fault::new("notices.ahead", allowed));
    }
    for text in &notices.ahead {
        if !text.parse::<Seconds>().is_ok_and(|time| time.get() > 0) {
            let allowed = format!("is of times, each {}, and {text:?} is none", Seconds::FORM);
            return Err(Fault::new("notices.ahead", allowed));
        }
    }
    let unknown = notices
        .webhook_kinds
        .iter()
        .flatten()
        .find(|kind| matches!(kind.parse::<NoticeKind>(), Err(_) | Ok(NoticeKind::Test)));
    if let Some(unknown) = unknown {
        let allowed = format!(
            "is of expiring, expired, rotated, revoked and refused-too-often, and {unknown:?} is \
             none of them"
        );
        return Err(Fault::new("notices.webhook_kinds", allowed));
    }
    let (set, missing) = match (&notices.webhook_url, &notices.webhook_secret_file) {
        (Some(_), None) => ("notices.webhook_url", "notices.webhook_secret_file"),
        (None, Some(_)) => ("notices.webhook_secret_file", "notices.webhook_url"),
        (Some(_), Some(_)) | (None, None) => return Ok(()),
    };
    Err(Fault::new(
        set,
        format!("is set together with {missing}, or neither is"),
    ))
}

/// Checks the levels of the log.
fn log_level(settings: &Settings) -> Result<(), Fault> {
    let Some(text) = &settings.log.level else {
        return Ok(());
    };
    let fault = |why: String| {
        let allowed =
            format!("is a level, or levels such as info,transire::store=debug, and {why}");
        Fault::new("log.level", allowed)
    };
    // The parser takes a misspelt level for the name of a part, and logs nothing of the others.
    let is_level = |directive: &str| directive.parse::<LevelFilter>().is_ok();
    let is_part = |directive: &str| directive.contains(['=', '[', ':']);
    if let Some(word) = text
        .split(',')
        .map(str::trim)
        .find(|directive| !is_level(directive) && !is_part(directive))
    {
        return Err(fault(format!("{word:?} is no level")));
    }
    match EnvFilter::builder().parse(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(fault(error.to_string())),
    }
}

/// Checks the bounds that settings are declared with.
fn bounds(settings: &Settings) -> Result<(), Fault> {
    let mut declared = Vec::new();
    settings.list(Entry::root(), &mut declared);
    for setting in declared {
        if let (Some(bounds), Some(number)) = (setting.bounds, setting.number)
            && !bounds.allow(number)
        {
            return Err(Fault::new(&setting.path, bounds.allowed(setting.kind)));
        }
    }
    Ok(())
}
