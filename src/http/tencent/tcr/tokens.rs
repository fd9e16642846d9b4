//! Instance tokens: temporary and long-term credentials.

use std::time::Duration;

use axum::response::Response;
use serde::Serialize;

use crate::domain::credential::Username;
use crate::domain::name::check_description;
use crate::domain::{Error, Result};
use crate::service::{Caller, InstanceChoice, Issued, Lifetime, Service};

use crate::http::edge::Visit;
use crate::http::operation::operations;
use crate::http::tencent::parameters::Parameters;
use crate::http::tencent::reply;

/// How long a temporary credential lives: an hour, by Tencent's contract.
const TEMPORARY: Lifetime = Lifetime::AtMost(Duration::from_hours(1));

operations! { "tcr": CreateInstanceToken }

impl Operation {
    /// Runs the operation for a proved caller.
    pub(in super::super) async fn run(self, service: &Service, caller: &Caller, parameters: Parameters, visit: &Visit) -> Result<Response> {
        match self {
            Self::CreateInstanceToken => {
                let issued = create_instance_token(service, caller, parameters, visit).await?;
                reply(&InstanceToken::of(&issued.0, issued.1), visit)
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TokenType {
    Temporary,
    LongTerm,
}

async fn create_instance_token(
    service: &Service,
    caller: &Caller,
    mut parameters: Parameters,
    visit: &Visit,
) -> Result<(Issued, TokenType)> {
    let registry_id = parameters.required_text("RegistryId")?;
    let token_type = match parameters.text("TokenType")?.as_deref() {
        None | Some("temp") => TokenType::Temporary,
        Some("longterm") => TokenType::LongTerm,
        Some(_) => return Err(Error::invalid_parameter("TokenType", "The parameter `TokenType` is `temp` or `longterm`.")),
    };
    let description = parameters.text("Desc")?.unwrap_or_default();
    if token_type == TokenType::LongTerm {
        check_description("Desc", &description)?;
    }
    parameters.finish()?;
    // A malformed id can't name an instance; it is answered as one that isn't there.
    let instance = InstanceChoice::Tcr(registry_id.parse()?);
    let issued = match token_type {
        TokenType::Temporary => service.issue_temporary(caller, &instance, Username::NumericId, TEMPORARY, &visit.context).await?,
        TokenType::LongTerm => service.issue_long_term(caller, &instance, &description, &visit.context).await?,
    };
    Ok((issued, token_type))
}

/// The output of `CreateInstanceToken`. Divergence: the vendor's token is a JWT, ours is sealed or random; clients
/// take it as it is. No field may be missing or null: Harbor and Terraform take them
/// without a look.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct InstanceToken<'a> {
    username: &'a str,
    token: &'a str,
    /// Unix milliseconds, a number.
    exp_time: i64,
    /// Empty for a temporary credential, which has no id to name it by later.
    token_id: &'a str,
}

impl<'a> InstanceToken<'a> {
    fn of(issued: &'a Issued, token_type: TokenType) -> Self {
        Self {
            username: &issued.username,
            token: issued.secret.expose(),
            exp_time: issued.expires_at.unix_millis(),
            token_id: match token_type {
                TokenType::Temporary => "",
                TokenType::LongTerm => issued.id.as_str(),
            },
        }
    }
}
