//! A service that knows one OpenID Connect provider, and roles that trust its tokens.

use http::{Method, Request};
use serde_json::json;
use transire::domain::any_principal::{AnyPrincipal, Written};
use transire::domain::identity::Target;
use transire::domain::instance::InstanceChange;
use transire::domain::switch::Switch;
use transire::service::{Attached, InstanceChoice, NewOidcProvider, Save, TokenIssuer};

use crate::harness::documents::{allow, ram_allow};
use crate::harness::issuer::{Issuer, TestKey, outgoing_to_loopback};
use crate::harness::operator::account;
use crate::harness::{ACCOUNT, Answer, App, HOST, Options};

pub(crate) const AUDIENCE: &str = "sts.example.com";
/// GitHub Actions' subject of a job on the main branch.
pub(crate) const GITHUB: &str = "repo:example-org/app:ref:refs/heads/main";
/// The same in a newer repository, with the numbers of its owner and itself.
pub(crate) const GITHUB_NUMBERED: &str = "repo:example-org@123456/app@456789:ref:refs/heads/main";
/// Kubernetes' subject of a service account.
pub(crate) const KUBERNETES: &str = "system:serviceaccount:ci:builder";

/// A service that knows one provider, and roles that trust it: `builder` the jobs of one repository
/// and one service account of a cluster, `nobody` none of these.
pub(crate) struct Keyless {
    pub(crate) app: App,
    pub(crate) issuer: Issuer,
    pub(crate) key: TestKey,
}

impl Keyless {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let app = Box::pin(App::with(|options| {
            options.service.outgoing = outgoing_to_loopback();
            change(options);
        }))
        .await;
        let key = TestKey::generate("ES256", "one");
        let issuer = Issuer::start(&[&key]).await;
        let rights = json!({
            "version": "2.0",
            "statement": [allow(
                ["tcr:CreateInstanceToken", "tcr:PullRepository", "tcr:PushRepository"],
                "*",
            )],
        });
        app.service
            .identity
            .save_policy(
                &app.operator(),
                account(),
                "build",
                &rights.to_string(),
                Save::Create,
            )
            .await
            .unwrap();
        let ram = json!({
            "Version": "1",
            "Statement": [ram_allow("cr:GetAuthorizationToken", "*")],
        });
        app.service
            .identity
            .save_policy(
                &app.operator(),
                account(),
                "issue",
                &ram.to_string(),
                Save::Create,
            )
            .await
            .unwrap();
        let keyless = Self { app, issuer, key };
        keyless.provider("ci").await;
        keyless
            .role(
                "builder",
                &[
                    "repo:example-org/app:*",
                    "repo:example-org@123456/app@456789:*",
                    KUBERNETES,
                ],
            )
            .await;
        keyless.role("nobody", &["repo:example-org/other:*"]).await;
        keyless
    }

    /// Makes a provider of the issuer.
    pub(crate) async fn provider(&self, name: &str) {
        let provider = NewOidcProvider {
            account: account(),
            name: name.to_owned(),
            issuer: self.issuer.url.clone(),
            audiences: vec![AUDIENCE.to_owned()],
            jwks: None,
            algorithms: Vec::new(),
        };
        self.app
            .service
            .identity
            .create_oidc_provider(&self.app.operator(), provider)
            .await
            .unwrap();
    }

    /// Deletes a provider.
    pub(crate) async fn delete_provider(&self, name: &str) {
        self.app
            .service
            .identity
            .delete_oidc_provider(&self.app.operator(), account(), name)
            .await
            .unwrap();
    }

    /// Makes the instance take no tokens any more.
    pub(crate) async fn take_no_tokens(&self) {
        let change = InstanceChange {
            token_log_in: Some(Switch::Off),
            ..InstanceChange::default()
        };
        let choice = InstanceChoice::Tcr(self.app.instance.id.clone());
        self.app
            .service
            .registry
            .modify_instance(&self.app.operator(), &choice, change)
            .await
            .unwrap();
    }

    /// Makes a role that may build, and trusts tokens of these subjects. Returns the warnings.
    pub(crate) async fn role(&self, name: &str, subjects: &[&str]) -> Vec<String> {
        self.role_with(name, subjects, &["build", "issue"]).await
    }

    /// Makes a role that trusts tokens of these subjects, with these policies. Returns the
    /// warnings.
    pub(crate) async fn role_with(
        &self,
        name: &str,
        subjects: &[&str],
        policies: &[&str],
    ) -> Vec<String> {
        let trust = json!({
            "Version": "1",
            "Statement": [{
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": { "Federated": [format!("acs:ram::{ACCOUNT}:oidc-provider/ci")] },
                "Condition": {
                    "StringEquals": { "oidc:aud": AUDIENCE },
                    "StringLike": { "oidc:sub": subjects },
                },
            }],
        });
        let (_, warnings) = self
            .app
            .service
            .identity
            .create_role(
                &self.app.operator(),
                account(),
                name,
                &trust.to_string(),
                7200,
            )
            .await
            .unwrap();
        let target = Target::Role(name.to_owned());
        for policy in policies {
            self.app
                .service
                .identity
                .set_attached(
                    &self.app.operator(),
                    account(),
                    policy,
                    &target,
                    Attached::Yes,
                )
                .await
                .unwrap();
        }
        warnings
    }

    /// Refuses a subject of the provider's, as the operator.
    pub(crate) async fn refuse(&self, subject: &str) {
        self.app
            .service
            .identity
            .create_refused_subject(
                &self.app.operator(),
                account(),
                TokenIssuer::OfProvider("ci".to_owned()),
                subject,
            )
            .await
            .unwrap();
    }

    /// Revokes a role, as the operator.
    pub(crate) async fn revoke(&self, role: &str) {
        let role = AnyPrincipal::Role(account(), Written::Name(role.to_owned()), None);
        self.app
            .service
            .identity
            .revoke(&self.app.operator(), &role)
            .await
            .unwrap();
    }

    /// Returns a token of the provider's for a subject.
    pub(crate) fn token(&self, subject: &str) -> String {
        self.key
            .token(&self.issuer.claims(subject, AUDIENCE, self.app.now()))
    }

    /// Asks for a session as Alibaba's credential libraries do.
    pub(crate) async fn at_alibaba(&self, token: &str, role: &str) -> Answer {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("Action", "AssumeRoleWithOIDC")
            .append_pair("Format", "JSON")
            .append_pair("Version", "2015-04-01")
            .append_pair("RoleArn", &format!("acs:ram::{ACCOUNT}:role/{role}"))
            .append_pair(
                "OIDCProviderArn",
                &format!("acs:ram::{ACCOUNT}:oidc-provider/ci"),
            )
            .append_pair("OIDCToken", token)
            .append_pair("RoleSessionName", "build-7")
            .finish();
        self.app
            .send(
                Request::get(format!("/?{query}"))
                    .header("host", HOST)
                    .body("".into())
                    .unwrap(),
            )
            .await
    }

    /// Asks for a session as Tencent's SDKs do.
    pub(crate) async fn at_tencent(&self, token: &str, role: &str) -> Answer {
        let body = json!({
            "ProviderId": "ci", "WebIdentityToken": token, "RoleSessionName": "build-7",
            "RoleArn": format!("qcs::cam::uin/{ACCOUNT}:roleName/{role}"), "DurationSeconds": 3600,
        });
        let headers = [
            ("host", HOST),
            ("authorization", "SKIP"),
            ("x-tc-action", "AssumeRoleWithWebIdentity"),
            ("x-tc-version", "2018-08-13"),
            ("x-tc-region", "ap-guangzhou"),
            ("x-tc-language", "en-US"),
            ("content-type", "application/json"),
        ];
        let mut request = Request::builder().method(Method::POST).uri("/");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        self.app
            .send(request.body(body.to_string().into()).unwrap())
            .await
    }
}
