//! Federated sessions: a caller's own rights, narrowed.

use axum::response::Response;
use serde::Serialize;

use super::credentials::{Credentials, refuse_unserved};
use crate::domain::Result;
use crate::domain::aws;
use crate::domain::credential::Cloud;
use crate::http::aws::Authenticated;
use crate::http::aws::parameters::{integer, required};
use crate::service::{Durations, FederationLife, FederationToken, NameRule, SessionRules};

pub(super) const RULES: SessionRules = SessionRules {
    cloud: Cloud::Aws,
    name: NameRule {
        max_length: 32,
        punctuation: "_+=,.@-",
    },
    // Of no federated session.
    role_session: LIFE.durations,
    max_chained_session: None,
    root_assumes_roles: false,
};
pub(super) const LIFE: FederationLife = FederationLife {
    durations: Durations {
        default: 43_200,
        min: 900,
    },
    max_of_root: 3600,
    max_of_user: 129_600,
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Federated<'a> {
    credentials: Credentials<'a>,
    federated_user: FederatedUser,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct FederatedUser {
    federated_user_id: String,
    arn: String,
}

/// Divergence: Policy is required. At AWS a session without one has the rights of resource
/// policies alone, which aren't here.
pub(in crate::http::aws) async fn get_federation_token(
    Authenticated {
        service,
        call,
        parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    refuse_unserved(parameters)?;
    let asked = FederationToken {
        rules: &RULES,
        life: &LIFE,
        name: required(parameters, "Name")?,
        duration_seconds: integer(parameters, "DurationSeconds")?,
        policy: required(parameters, "Policy")?,
    };
    let session = service.sts.federation_token(call, &asked).await?;
    reply.with(&Federated {
        credentials: Credentials::of(&session),
        federated_user: FederatedUser {
            federated_user_id: aws::user_id(&session.principal),
            arn: aws::principal(&session.principal, None),
        },
    })
}
