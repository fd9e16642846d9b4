//! `transire doctor`: what may be wrong with a service, and what to do about it.
//!
//! The service examines its data. The files and the network of this machine are looked at here.

use crate::client::health;
use crate::config::Settings;
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::{Error, Result};
use crate::open::{Open, open, os_user};
use crate::serve::Tls;
use crate::service::{Caller, Check, CheckState, RequestContext};
use crate::{serve, version, views};

use super::Failure;
use super::health::own_url;
use super::output::Output;

/// How long before its end the certificate for HTTPS is doubted, in seconds.
const SOON: u64 = 7 * 24 * 60 * 60;

/// Examines the service; the answer is "no" where a check found a fault.
///
/// # Errors
/// `Denied` for a fault; those of the output.
pub(super) async fn run(settings: &Settings, output: &Output) -> Result<(), Failure> {
    let mut checks = vec![Check::fine("version", version::BUILD)];
    checks.extend(of_settings(settings));
    checks.extend(of_tls(settings));
    match of_data(settings).await {
        Ok(examined) => checks.extend(examined),
        Err(error) => checks.push(Check::faulty("data", said(&error), "see the finding")),
    }
    checks.push(of_service(settings).await);
    checks.push(of_public_url(settings).await);
    let is_faulty = checks.iter().any(|check| check.state == CheckState::Faulty);
    output.list(checks.into_iter().map(views::Check::from))?;
    if is_faulty {
        Err(Failure::Denied)
    } else {
        Ok(())
    }
}

/// Says an error with its cause, which the operator may know.
fn said(error: &Error) -> String {
    match error.cause() {
        Some(cause) => format!("{}: {cause}", error.message()),
        None => error.message().to_owned(),
    }
}

/// Checks the settings, and the files that they name, as `serve` does: who may read the master key
/// and replace the data, too.
fn of_settings(settings: &Settings) -> Vec<Check> {
    let findings = serve::check(settings);
    let refusals = findings
        .refusals
        .iter()
        .map(|error| Check::faulty("settings", said(error), "`transire serve` doesn't start so"));
    let warnings = findings
        .warnings
        .into_iter()
        .map(|text| Check::doubtful("settings", text, "`transire config check` says the same"));
    let mut checks: Vec<_> = refusals.chain(warnings).collect();
    if checks.is_empty() {
        let finding = "the settings, and the rights of the files that they name, are in order";
        checks.push(Check::fine("settings", finding));
    }
    checks
}

/// Checks the end of the certificate for HTTPS. A pair that can't be read is a fault of the
/// settings.
fn of_tls(settings: &Settings) -> Option<Check> {
    let ends_at = Tls::load(&settings.tls).ok()??.expires_at()?;
    let now = SystemClock.now();
    let finding = format!("the certificate for HTTPS ends at {}", ends_at.rfc3339());
    let advice = "replace tls.certificate_file; the service reads it again by itself";
    Some(if ends_at <= now {
        Check::faulty("tls", finding, advice)
    } else if now.until(ends_at).as_secs() < SOON {
        Check::doubtful("tls", finding, advice)
    } else {
        Check::fine("tls", finding)
    })
}

/// Lets the service examine its data.
async fn of_data(settings: &Settings) -> Result<Vec<Check>> {
    let service = open(settings, Open::Command).await?;
    let request = RequestContext::operator(service.base.request_id());
    let operator = Caller::local_operator(Some(os_user()));
    let call = &service.call(&operator, &request);
    let status = service.operations.status(call).await?;
    let warnings = service.keys.find_warnings(call).await?;
    let keys = service.keys.keys(call).await?;
    let checks = service.operations.examine(call, &status, &keys, &warnings);
    service.ledger.close().await;
    checks
}

/// Asks this machine's service whether it is ready.
async fn of_service(settings: &Settings) -> Check {
    let url = match own_url(settings) {
        Ok(url) => url,
        Err(error) => return Check::fine("service", said(&error)),
    };
    match health::ask(&url, None).await {
        Ok(()) => Check::fine("service", format!("{url} is ready")),
        // Nobody answered.
        Err(error) if error.cause().is_some() => {
            let advice = "start it, unless it runs on other machines alone";
            Check::doubtful("service", said(&error), advice)
        }
        Err(error) => Check::faulty("service", said(&error), "see the service's log"),
    }
}

/// Asks for a token where registries send their clients.
async fn of_public_url(settings: &Settings) -> Check {
    let url = &settings.public_url;
    let advice = "clients get tokens there: check public_url, its name, its certificate, and the \
                  proxy in front";
    match health::token_endpoint(url, settings.outgoing.ca_file.clone()).await {
        Ok(status) if status.as_u16() == 400 || status.as_u16() == 401 => {
            Check::fine("public_url", format!("{url} answers"))
        }
        Ok(status) => Check::doubtful(
            "public_url",
            format!("{url}/token answers {status}"),
            advice,
        ),
        Err(error) => Check::doubtful("public_url", said(&error), advice),
    }
}
